-- The ranking is indexed by tiers of counts instead of counts, so that most hits do not change an
-- indexed column. The new version of a row then stays on its page (a HOT update), which is cheaper,
-- and the old version is removed without a vacuum. docs/performance.md has the figures.
--
-- The tier of a count has the first three hexadecimal digits of the count (the first two, if it has
-- three), and zeros after them. Below 256 it is the count itself; below 65,536 its steps are 16;
-- above, they are 0.02 to 0.4 % of the count. It never falls when the count grows. So the ranking
-- consists of its tiers from the highest on, each sorted by count.
--
-- Older programs can continue: they neither write nor name the column. Their reads by count are
-- sorted.

-- Room on each page for new versions of its rows.
ALTER TABLE pathcount SET (fillfactor = 80);

-- Written out instead of a call of the function below, because PostgreSQL would parse its body for
-- each statement.
ALTER TABLE pathcount ADD COLUMN tier BIGINT NOT NULL
GENERATED ALWAYS AS (
    count & (-1::bigint << (4 * greatest(length(to_hex(count)) - 3, (count > 255)::int)))
) STORED;

CREATE FUNCTION pathcount_tier(count BIGINT) RETURNS BIGINT
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN count & (-1::bigint << (4 * greatest(length(to_hex(count)) - 3, (count > 255)::int)));

DROP INDEX pathcount_ranking;
CREATE INDEX pathcount_ranking ON pathcount (tier DESC, path);
