// ui.js: optional enhancement. Every page works without it. ES module, no eval, no inline styles, no globals.
const $$ = (sel, root = document) => [...root.querySelectorAll(sel)];
const on = (type, sel, fn) => document.addEventListener(type, e => { const el = e.target.closest?.(sel); if (el) fn(e, el); });

// 1. Move focus to the error summary after a refused form (without script: it is first in the page and role=alert).
document.querySelector('.error-summary')?.focus();

// 2. Filters submit themselves. The query string stays the single source of truth.
on('change', 'form[data-auto] select', (e, el) => el.form.requestSubmit());

// 3. Copy buttons. One line per list entry, so that recovery codes arrive as a column.
on('click', '[data-copy]', async (e, b) => {
  const from = document.getElementById(b.dataset.copy), lines = $$('li', from);
  const text = lines.length ? lines.map(li => li.textContent.trim()).join('\n') : from.textContent.trim();
  await navigator.clipboard.writeText(text);
  b.querySelector('span').textContent = 'Copied';
});

// 4. Show a password while it is typed. It is hidden again before the form is sent, so that browsers treat it as a password.
const reveal = (b, shown) => {
  const input = document.getElementById(b.dataset.reveal);
  input.type = shown ? 'text' : 'password';
  b.querySelector('span').textContent = shown ? 'Hide' : 'Show';
};
on('click', '[data-reveal]', (e, b) => reveal(b, document.getElementById(b.dataset.reveal).type === 'password'));
document.addEventListener('submit', e => $$('[data-reveal]', e.target).forEach(b => reveal(b, false)));

// 5. Long jobs fetch themselves until they are done.
for (const job of $$('[data-poll]')) {
  const tick = async () => {
    const r = await fetch(job.dataset.poll, { headers: { 'X-Fragment': 'job' } }).catch(() => null);
    if (r?.ok) {
      const next = new DOMParser().parseFromString(await r.text(), 'text/html').querySelector('[data-poll]');
      if (!next) return location.reload();
      job.replaceChildren(...next.childNodes);
    }
    setTimeout(tick, document.hidden ? 10000 : 2000);
  };
  setTimeout(tick, 2000);
}
