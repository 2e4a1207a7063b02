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

// 6. Tree: disclosure buttons for the branches that are on the page. Without script they are all open.
const setOpen = (b, open) => { b.setAttribute('aria-expanded', open); document.getElementById(b.getAttribute('aria-controls')).hidden = !open; };
on('click', 'button.toggle', (e, b) => setOpen(b, b.getAttribute('aria-expanded') !== 'true'));
on('click', '[data-tree]', (e, b) => $$('button.toggle').forEach(t => setOpen(t, b.dataset.tree === 'open')));
on('keydown', 'button.toggle', (e, b) => { if (e.key === 'ArrowRight') setOpen(b, true); else if (e.key === 'ArrowLeft') setOpen(b, false); });

// 7. Unsaved changes: counts them, asks before leaving, and shows what the ticks of the matrix imply. The server enforces the same.
//    Create, Edit, Delete, Read All tick Read; Modify All ticks all; clearing Read clears the row; clearing another clears Modify All.
for (const form of $$('form[data-dirty]')) {
  const box = i => i.matches('[type=checkbox], [type=radio]');
  const start = new Map($$('input:not([type=hidden]), select', form).map(i => [i, box(i) ? i.defaultChecked : i.value]));
  const say = form.querySelector('[data-changes]'), idle = say.textContent;
  let n = 0;
  const imply = ({ name, value, checked }) => {
    const row = name ? $$(`.matrix input[type=checkbox][name="${CSS.escape(name)}"]`, form) : [];
    const set = (v, to) => row.forEach(i => { if (i.value === v) i.checked = to; });
    if (!row.some(i => i.value === 'modify_all')) return;
    if (checked) value === 'modify_all' ? row.forEach(i => { i.checked = true; }) : set('read', true);
    else if (value === 'read') row.forEach(i => { i.checked = false; });
    else set('modify_all', false);
  };
  const count = () => {
    n = 0;
    for (const [i, was] of start) {
      const changed = (box(i) ? i.checked : i.value) !== was, counts = changed && (i.type !== 'radio' || i.checked);
      n += counts;
      i.closest('td')?.classList.toggle('is-changed', counts);
    }
    say.textContent = n ? `${n} unsaved ${n === 1 ? 'change' : 'changes'}` : idle;
  };
  form.addEventListener('change', e => { imply(e.target); count(); });
  form.addEventListener('submit', () => { n = 0; });
  form.addEventListener('reset', () => setTimeout(count));
  addEventListener('beforeunload', e => { if (n) e.preventDefault(); });
}

// 8. Lists to choose from: how many are chosen, and a tick for all that are shown.
for (const list of $$('form[data-choose]')) {
  const boxes = $$('input[name=member]', list), say = list.querySelector('[data-chosen]'), every = list.querySelector('[data-every]');
  const count = () => {
    const chosen = boxes.filter(i => i.checked).length;
    say.textContent = chosen ? `${chosen} chosen` : '';
    if (every) { every.checked = chosen === boxes.length; every.indeterminate = chosen > 0 && chosen < boxes.length; }
  };
  every?.addEventListener('change', () => { boxes.forEach(i => { i.checked = every.checked; }); count(); });
  list.addEventListener('change', e => { if (e.target !== every) count(); });
  count();
}
