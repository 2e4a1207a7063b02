-- Permissions, and the records they guard. Records hold slots, not roles: a change of a role, a rule or a profile writes
-- a handful of rows whatever the number of records.

ALTER TABLE accounts ADD COLUMN permission_version BIGINT NOT NULL DEFAULT 0;
ALTER TABLE accounts ADD COLUMN next_slot INTEGER NOT NULL DEFAULT 0;

-- A dense small number per account, given once, never reused, never changed. A row without one (-1) is refused by the
-- unique index as soon as there is a second.
ALTER TABLE members ADD COLUMN slot INTEGER NOT NULL DEFAULT -1;
ALTER TABLE members ADD COLUMN export BOOLEAN NOT NULL DEFAULT FALSE;
UPDATE members SET slot = numbered.slot
  FROM (SELECT id, row_number() OVER (PARTITION BY account_id ORDER BY id) - 1 AS slot FROM members) AS numbered
  WHERE numbered.id = members.id;
UPDATE accounts SET next_slot = (SELECT count(*) FROM members WHERE members.account_id = accounts.id);
CREATE UNIQUE INDEX members_by_slot ON members (account_id, slot);

-- object: 0 Contact, 1 Organization, 2 Lead, 3 Opportunity, 4 Project, 5 Task. level: 0 none, 1 read, 2 write.

CREATE TABLE page_layouts (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  account_id BIGINT NOT NULL REFERENCES accounts (id),
  object SMALLINT NOT NULL,
  name TEXT NOT NULL,
  standard BOOLEAN NOT NULL DEFAULT FALSE,
  UNIQUE (account_id, id),
  UNIQUE (account_id, id, object),
  UNIQUE (account_id, object, name)
);

CREATE TABLE layout_fields (
  account_id BIGINT NOT NULL,
  layout_id BIGINT NOT NULL,
  field TEXT NOT NULL,
  position INTEGER NOT NULL,
  section TEXT NOT NULL,
  read_only BOOLEAN NOT NULL,
  required BOOLEAN NOT NULL,
  PRIMARY KEY (account_id, layout_id, field),
  FOREIGN KEY (account_id, layout_id) REFERENCES page_layouts (account_id, id) ON DELETE CASCADE
);

-- rights: 1 Read, 2 Create, 4 Edit, 8 Delete, 16 Read All, 32 Modify All.
CREATE TABLE object_permissions (
  account_id BIGINT NOT NULL,
  profile_id BIGINT NOT NULL,
  object SMALLINT NOT NULL,
  rights SMALLINT NOT NULL,
  layout_id BIGINT NOT NULL,
  PRIMARY KEY (account_id, profile_id, object),
  FOREIGN KEY (account_id, profile_id) REFERENCES profiles (account_id, id) ON DELETE CASCADE,
  FOREIGN KEY (account_id, layout_id, object) REFERENCES page_layouts (account_id, id, object)
);
CREATE INDEX object_permissions_by_layout ON object_permissions (account_id, layout_id);

-- An object without a row is Private.
CREATE TABLE organization_wide_sharing (
  account_id BIGINT NOT NULL REFERENCES accounts (id),
  object SMALLINT NOT NULL,
  level SMALLINT NOT NULL,
  PRIMARY KEY (account_id, object)
);

CREATE TABLE sharing_rules (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  account_id BIGINT NOT NULL REFERENCES accounts (id),
  name TEXT NOT NULL,
  -- Null: every object.
  object SMALLINT,
  source_role_id BIGINT NOT NULL,
  source_below BOOLEAN NOT NULL,
  target_role_id BIGINT NOT NULL,
  target_below BOOLEAN NOT NULL,
  level SMALLINT NOT NULL,
  active BOOLEAN NOT NULL,
  -- The rule holds until this instant.
  ends_at BIGINT,
  UNIQUE (account_id, id),
  UNIQUE (account_id, name),
  FOREIGN KEY (account_id, source_role_id) REFERENCES roles (account_id, id),
  FOREIGN KEY (account_id, target_role_id) REFERENCES roles (account_id, id)
);
CREATE INDEX sharing_rules_by_source ON sharing_rules (account_id, source_role_id);
CREATE INDEX sharing_rules_by_target ON sharing_rules (account_id, target_role_id);

CREATE TABLE custom_fields (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  account_id BIGINT NOT NULL REFERENCES accounts (id),
  object SMALLINT NOT NULL,
  label TEXT NOT NULL,
  kind TEXT NOT NULL,
  -- One per line, for a choice.
  choices TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  retired_at BIGINT,
  UNIQUE (account_id, id)
);
CREATE UNIQUE INDEX custom_fields_labels ON custom_fields (account_id, object, label) WHERE retired_at IS NULL;

-- environment: 0 TEST, 1 COMMERCIAL.
CREATE TABLE records (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  account_id BIGINT NOT NULL REFERENCES accounts (id),
  environment SMALLINT NOT NULL,
  object SMALLINT NOT NULL,
  name TEXT NOT NULL,
  -- Lower-cased name.
  sort_name TEXT NOT NULL,
  creator_slot INTEGER NOT NULL,
  assigned_slot INTEGER,
  -- assigned_slot, or creator_slot while nobody is assigned.
  owner_slot INTEGER NOT NULL,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  version BIGINT NOT NULL,
  -- The fields of the object as a JSON object of texts.
  data TEXT NOT NULL,
  UNIQUE (account_id, id),
  FOREIGN KEY (account_id, creator_slot) REFERENCES members (account_id, slot),
  FOREIGN KEY (account_id, owner_slot) REFERENCES members (account_id, slot)
);
CREATE INDEX records_by_update ON records (account_id, environment, object, updated_at DESC, id DESC, owner_slot, creator_slot);
CREATE INDEX records_by_owner_update ON records (account_id, environment, object, owner_slot, updated_at DESC, id DESC, creator_slot);
CREATE INDEX records_by_creator_update ON records (account_id, environment, object, creator_slot, updated_at DESC, id DESC, owner_slot) WHERE creator_slot <> owner_slot;
CREATE INDEX records_by_name ON records (account_id, environment, object, sort_name, id, owner_slot, creator_slot);
CREATE INDEX records_by_owner_name ON records (account_id, environment, object, owner_slot, sort_name, id, creator_slot);
CREATE INDEX records_by_creator_name ON records (account_id, environment, object, creator_slot, sort_name, id, owner_slot) WHERE creator_slot <> owner_slot;

-- What each version of a record changed: a JSON list of [field, before, after].
CREATE TABLE record_changes (
  account_id BIGINT NOT NULL,
  record_id BIGINT NOT NULL,
  version BIGINT NOT NULL,
  at BIGINT NOT NULL,
  member_slot INTEGER NOT NULL,
  changes TEXT NOT NULL,
  PRIMARY KEY (account_id, record_id, version),
  FOREIGN KEY (account_id, record_id) REFERENCES records (account_id, id) ON DELETE CASCADE,
  FOREIGN KEY (account_id, member_slot) REFERENCES members (account_id, slot)
);

-- Standard layouts and rights for the accounts there are.
INSERT INTO page_layouts (account_id, object, name, standard)
  SELECT accounts.id, objects.number, 'Default', TRUE
  FROM accounts CROSS JOIN (SELECT 0 AS number UNION ALL VALUES (1), (2), (3), (4), (5)) AS objects;
INSERT INTO layout_fields (account_id, layout_id, field, position, section, read_only, required)
  SELECT page_layouts.account_id, page_layouts.id, fields.key, fields.position, '', FALSE, fields.key = 'name'
  FROM page_layouts JOIN (SELECT 0 AS object, 1 AS position, 'name' AS key UNION ALL VALUES
    (0, 2, 'first_name'), (0, 3, 'last_name'), (0, 4, 'email'), (0, 5, 'phone'), (0, 6, 'title'), (0, 7, 'organization'), (0, 8, 'notes'),
    (1, 1, 'name'), (1, 2, 'website'), (1, 3, 'phone'), (1, 4, 'industry'), (1, 5, 'billing_address'), (1, 6, 'notes'),
    (2, 1, 'name'), (2, 2, 'email'), (2, 3, 'phone'), (2, 4, 'company'), (2, 5, 'source'), (2, 6, 'status'), (2, 7, 'estimated_value'), (2, 8, 'notes'),
    (3, 1, 'name'), (3, 2, 'organization'), (3, 3, 'stage'), (3, 4, 'value'), (3, 5, 'currency'), (3, 6, 'close_date'), (3, 7, 'probability'), (3, 8, 'notes'),
    (4, 1, 'name'), (4, 2, 'organization'), (4, 3, 'status'), (4, 4, 'start_date'), (4, 5, 'due_date'), (4, 6, 'notes'),
    (5, 1, 'name'), (5, 2, 'due_date'), (5, 3, 'priority'), (5, 4, 'status'), (5, 5, 'related_record'), (5, 6, 'notes')
  ) AS fields ON fields.object = page_layouts.object;
INSERT INTO object_permissions (account_id, profile_id, object, rights, layout_id)
  SELECT profiles.account_id, profiles.id, page_layouts.object, CASE WHEN profiles.standard THEN 15 ELSE 0 END, page_layouts.id
  FROM profiles JOIN page_layouts ON page_layouts.account_id = profiles.account_id;

-- Every change of who may do what moves the version of the account's rules, so that no code can forget it.
CREATE TRIGGER roles_added AFTER INSERT ON roles BEGIN UPDATE accounts SET permission_version = permission_version + 1 WHERE id = NEW.account_id; END;
CREATE TRIGGER roles_changed AFTER UPDATE ON roles BEGIN UPDATE accounts SET permission_version = permission_version + 1 WHERE id = NEW.account_id; END;
CREATE TRIGGER roles_deleted AFTER DELETE ON roles BEGIN UPDATE accounts SET permission_version = permission_version + 1 WHERE id = OLD.account_id; END;
CREATE TRIGGER profiles_added AFTER INSERT ON profiles BEGIN UPDATE accounts SET permission_version = permission_version + 1 WHERE id = NEW.account_id; END;
CREATE TRIGGER profiles_changed AFTER UPDATE ON profiles BEGIN UPDATE accounts SET permission_version = permission_version + 1 WHERE id = NEW.account_id; END;
CREATE TRIGGER profiles_deleted AFTER DELETE ON profiles BEGIN UPDATE accounts SET permission_version = permission_version + 1 WHERE id = OLD.account_id; END;
CREATE TRIGGER object_permissions_added AFTER INSERT ON object_permissions BEGIN UPDATE accounts SET permission_version = permission_version + 1 WHERE id = NEW.account_id; END;
CREATE TRIGGER object_permissions_changed AFTER UPDATE ON object_permissions BEGIN UPDATE accounts SET permission_version = permission_version + 1 WHERE id = NEW.account_id; END;
CREATE TRIGGER object_permissions_deleted AFTER DELETE ON object_permissions BEGIN UPDATE accounts SET permission_version = permission_version + 1 WHERE id = OLD.account_id; END;
CREATE TRIGGER page_layouts_added AFTER INSERT ON page_layouts BEGIN UPDATE accounts SET permission_version = permission_version + 1 WHERE id = NEW.account_id; END;
CREATE TRIGGER page_layouts_changed AFTER UPDATE ON page_layouts BEGIN UPDATE accounts SET permission_version = permission_version + 1 WHERE id = NEW.account_id; END;
CREATE TRIGGER page_layouts_deleted AFTER DELETE ON page_layouts BEGIN UPDATE accounts SET permission_version = permission_version + 1 WHERE id = OLD.account_id; END;
CREATE TRIGGER layout_fields_added AFTER INSERT ON layout_fields BEGIN UPDATE accounts SET permission_version = permission_version + 1 WHERE id = NEW.account_id; END;
CREATE TRIGGER layout_fields_changed AFTER UPDATE ON layout_fields BEGIN UPDATE accounts SET permission_version = permission_version + 1 WHERE id = NEW.account_id; END;
CREATE TRIGGER layout_fields_deleted AFTER DELETE ON layout_fields BEGIN UPDATE accounts SET permission_version = permission_version + 1 WHERE id = OLD.account_id; END;
CREATE TRIGGER organization_wide_sharing_added AFTER INSERT ON organization_wide_sharing BEGIN UPDATE accounts SET permission_version = permission_version + 1 WHERE id = NEW.account_id; END;
CREATE TRIGGER organization_wide_sharing_changed AFTER UPDATE ON organization_wide_sharing BEGIN UPDATE accounts SET permission_version = permission_version + 1 WHERE id = NEW.account_id; END;
CREATE TRIGGER organization_wide_sharing_deleted AFTER DELETE ON organization_wide_sharing BEGIN UPDATE accounts SET permission_version = permission_version + 1 WHERE id = OLD.account_id; END;
CREATE TRIGGER sharing_rules_added AFTER INSERT ON sharing_rules BEGIN UPDATE accounts SET permission_version = permission_version + 1 WHERE id = NEW.account_id; END;
CREATE TRIGGER sharing_rules_changed AFTER UPDATE ON sharing_rules BEGIN UPDATE accounts SET permission_version = permission_version + 1 WHERE id = NEW.account_id; END;
CREATE TRIGGER sharing_rules_deleted AFTER DELETE ON sharing_rules BEGIN UPDATE accounts SET permission_version = permission_version + 1 WHERE id = OLD.account_id; END;
CREATE TRIGGER custom_fields_added AFTER INSERT ON custom_fields BEGIN UPDATE accounts SET permission_version = permission_version + 1 WHERE id = NEW.account_id; END;
CREATE TRIGGER custom_fields_changed AFTER UPDATE ON custom_fields BEGIN UPDATE accounts SET permission_version = permission_version + 1 WHERE id = NEW.account_id; END;
CREATE TRIGGER custom_fields_deleted AFTER DELETE ON custom_fields BEGIN UPDATE accounts SET permission_version = permission_version + 1 WHERE id = OLD.account_id; END;
CREATE TRIGGER members_ruled_in AFTER INSERT ON members BEGIN UPDATE accounts SET permission_version = permission_version + 1 WHERE id = NEW.account_id; END;
CREATE TRIGGER members_ruled_anew AFTER UPDATE OF admin, export, slot, role_id, profile_id, removed_at ON members
  WHEN OLD.admin <> NEW.admin OR OLD.export <> NEW.export OR OLD.slot <> NEW.slot OR OLD.role_id IS NOT NEW.role_id
    OR OLD.profile_id IS NOT NEW.profile_id OR OLD.removed_at IS NOT NEW.removed_at
  BEGIN UPDATE accounts SET permission_version = permission_version + 1 WHERE id = NEW.account_id; END;
