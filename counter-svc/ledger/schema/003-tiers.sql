-- The ranking is indexed by tiers of counts instead of by counts, so that most hits change nothing
-- that is indexed: the row's new version stays on its page (a HOT update), which costs PostgreSQL
-- less, and the old one is cleaned away without a vacuum. docs/performance.md has the figures.
--
-- The tier of a count is its first three hexadecimal digits, of three the first two, the others made
-- zero: below 256 the count itself, below 65,536 steps of 16, then steps of 0.02 to 0.4 % of it. It
-- never falls when the count grows, so the ranking is its tiers from the top, each sorted by count.
--
-- A program that is older can go on: it neither writes the column nor names it, and what it asks for
-- by count is sorted until it has gone.

-- Room on each page for the new versions of its rows.
ALTER TABLE pathcount SET (fillfactor = 80);

-- Spelled out here and not by the function below, whose body would be parsed for every statement.
ALTER TABLE pathcount ADD COLUMN tier BIGINT NOT NULL
GENERATED ALWAYS AS (
    count & (-1::bigint << (4 * greatest(length(to_hex(count)) - 3, (count > 255)::int)))
) STORED;

CREATE FUNCTION pathcount_tier(count BIGINT) RETURNS BIGINT
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN count & (-1::bigint << (4 * greatest(length(to_hex(count)) - 3, (count > 255)::int)));

DROP INDEX pathcount_ranking;
CREATE INDEX pathcount_ranking ON pathcount (tier DESC, path);
