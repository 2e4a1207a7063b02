"""An SMTP server for the tests: keeps what it accepts as files, answers as the folder and the recipient ask.

smtpd.py FOLDER PORT [CERTIFICATE KEY]   listens on 127.0.0.1 and writes "ready" to stdout; with a certificate it demands STARTTLS.

FOLDER/mail/N.eml, N.json   an accepted message and its envelope; the .json appears last and whole
FOLDER/answers              one JSON line for every recipient and message answered
FOLDER/refuse               while it exists: its text answers every MAIL FROM
FOLDER/later                while it exists: later...@ is accepted
FOLDER/release              while it exists: slow...@ and unanswered...@ wait no longer

bounce...@      550, always                    later...@        451, until told otherwise
slow...@        waits before it keeps the message and answers
unanswered...@  keeps the message at once and waits before it answers
"""

import asyncio
import json
import os
import ssl
import sys
import time

from aiosmtpd.smtp import SMTP

LONGEST_WAIT = 60


class Handler:
    def __init__(self, folder):
        self.folder = folder
        self.mail = os.path.join(folder, "mail")
        os.makedirs(self.mail, exist_ok=True)
        self.count = len(os.listdir(self.mail))

    def path(self, name):
        return os.path.join(self.folder, name)

    def answer(self, envelope, to, answer):
        line = {"from": envelope.mail_from, "to": to, "answer": answer, "at": time.time()}
        with open(self.path("answers"), "a") as answers:
            answers.write(json.dumps(line) + "\n")
        return answer

    async def handle_MAIL(self, server, session, envelope, address, options):
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        try:
            with open(self.path("refuse")) as refuse:
                answer = refuse.read()
        except FileNotFoundError:
            return "250 2.1.0 OK"
        envelope.mail_from = None
        self.answer(envelope, [], answer)
        return answer

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("bounce"):
            return self.answer(envelope, [address], "550 5.1.1 No such user here")
        if address.startswith("later") and not os.path.exists(self.path("later")):
            return self.answer(envelope, [address], "451 4.3.0 Try again later")
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server, session, envelope):
        try:
            if any(to.startswith("slow") for to in envelope.rcpt_tos) and not await self.released():
                return self.answer(envelope, envelope.rcpt_tos, "451 4.4.2 Took too long")
            self.keep(envelope)
            if any(to.startswith("unanswered") for to in envelope.rcpt_tos):
                await self.released()
            return self.answer(envelope, envelope.rcpt_tos, "250 2.0.0 Accepted")
        except asyncio.CancelledError:
            self.answer(envelope, envelope.rcpt_tos, "client gave up")
            raise

    async def released(self):
        """Waits for the file; false when nobody made it in time."""
        end = time.monotonic() + LONGEST_WAIT
        while not os.path.exists(self.path("release")):
            if time.monotonic() > end:
                return False
            await asyncio.sleep(0.02)
        return True

    def keep(self, envelope):
        self.count += 1
        name = os.path.join(self.mail, "%06d" % self.count)
        with open(name + ".eml", "wb") as message:
            message.write(envelope.original_content)
        with open(name + ".tmp", "w") as description:
            json.dump({"from": envelope.mail_from, "to": envelope.rcpt_tos, "at": time.time()}, description)
        os.rename(name + ".tmp", name + ".json")


async def main(folder, port, certificate=None, key=None):
    handler = Handler(folder)
    context = None
    if certificate:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate, key)

    def session():
        return SMTP(handler, hostname="mail.test", enable_SMTPUTF8=True, tls_context=context, require_starttls=bool(context))

    server = await asyncio.get_running_loop().create_server(session, "127.0.0.1", int(port))
    print("ready", flush=True)
    await server.serve_forever()


asyncio.run(main(*sys.argv[1:]))
