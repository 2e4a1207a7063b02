"""The first page of a list as an application on Django's ORM makes it: roles, members and rules as models, and the records
of visible roles through joins. Written to be fast for what it is: which roles a member sees is looked up beforehand and not
timed, the connection stays open, and nothing is rendered.

Reads lines "SLOT OBJECT" (OBJECT alone decides nothing: "SLOT OBJECT all" means no filter) and answers each with a line
"MILLISECONDS ID,ID,...". The only argument is the address of the database."""

import sys
import time

import django
from django.conf import settings
from django.db import models
from django.db.models import Q
from psycopg.conninfo import conninfo_to_dict

at = conninfo_to_dict(sys.argv[1])
settings.configure(
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": at["dbname"],
            "USER": at.get("user", ""),
            "PASSWORD": at.get("password", ""),
            "HOST": at.get("host", ""),
            "PORT": at.get("port", ""),
            "CONN_MAX_AGE": None,
        }
    },
)
django.setup()


class Table:
    app_label = "company"
    managed = False


class Role(models.Model):
    parent = models.ForeignKey("self", models.PROTECT, null=True)

    class Meta(Table):
        db_table = "roles"


class Member(models.Model):
    account_id = models.BigIntegerField()
    slot = models.IntegerField()
    role = models.ForeignKey(Role, models.PROTECT, null=True)

    class Meta(Table):
        db_table = "members"


class SharingRule(models.Model):
    source_role = models.ForeignKey(Role, models.PROTECT, related_name="+")
    source_below = models.BooleanField()
    target_role = models.ForeignKey(Role, models.PROTECT, related_name="+")
    target_below = models.BooleanField()

    class Meta(Table):
        db_table = "sharing_rules"


def member_of(column):
    return models.ForeignObject(
        Member,
        models.PROTECT,
        from_fields=["account_id", column],
        to_fields=["account_id", "slot"],
        related_name="+",
    )


class Record(models.Model):
    account_id = models.BigIntegerField()
    environment = models.SmallIntegerField()
    object = models.SmallIntegerField()
    creator_slot = models.IntegerField()
    owner_slot = models.IntegerField()
    assigned_slot = models.IntegerField(null=True)
    created_at = models.BigIntegerField()
    updated_at = models.BigIntegerField()
    version = models.BigIntegerField()
    name = models.TextField()
    data = models.TextField()
    creator = member_of("creator_slot")
    owner = member_of("owner_slot")

    class Meta(Table):
        db_table = "records"


class Company:
    """What decides who sees whom, read once."""

    def __init__(self):
        self.parent = dict(Role.objects.values_list("id", "parent_id"))
        self.rules = list(SharingRule.objects.all())
        self.account = Member.objects.values_list("account_id", flat=True).first()
        self.role = dict(Member.objects.values_list("slot", "role_id"))
        self.below = {role: set() for role in self.parent}
        for role in self.parent:
            above = self.parent[role]
            while above is not None:
                self.below[above].add(role)
                above = self.parent[above]

    def visible_roles(self, role):
        if role is None:
            return []
        seen = set(self.below[role])
        for rule in self.rules:
            under = rule.target_below and role in self.below[rule.target_role_id]
            if role == rule.target_role_id or under:
                seen.add(rule.source_role_id)
                if rule.source_below:
                    seen |= self.below[rule.source_role_id]
        return sorted(seen)


company = Company()
print("ready", django.get_version(), flush=True)
for line in sys.stdin:
    slot, object_number, *everything = line.split()
    records = Record.objects.filter(account_id=company.account, environment=1, object=int(object_number))
    if not everything:
        roles = company.visible_roles(company.role[int(slot)])
        records = records.filter(
            Q(owner_slot=slot) | Q(creator_slot=slot) | Q(owner__role_id__in=roles) | Q(creator__role_id__in=roles)
        )
    started = time.perf_counter()
    page = list(records.order_by("-updated_at", "-id")[:50])
    took = (time.perf_counter() - started) * 1e3
    print(f"{took:.3f} {','.join(str(record.id) for record in page)}", flush=True)
