-- What the tables are, for all programs: one row. An installation writes it in the transaction
-- that makes capture, so nobody sees one without the other.

CREATE TABLE freshlist.description (
    identity text NOT NULL,
    body     text NOT NULL,
    file     text,
    source   text
);

COMMENT ON TABLE freshlist.description IS 'the description that capture was installed for: one row';
COMMENT ON COLUMN freshlist.description.identity IS 'names the description: another one has another name';
COMMENT ON COLUMN freshlist.description.body IS 'the description, held against the catalog, as JSON';
COMMENT ON COLUMN freshlist.description.file IS 'name of the file that it was made from; NULL: the one that ships';
COMMENT ON COLUMN freshlist.description.source IS
    'text of that file, from which an invalidator that starts renews the description; NULL: the one that ships';
