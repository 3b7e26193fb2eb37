-- Stores a new lane, unless that id is taken.
INSERT INTO pathcount_lane (lane) VALUES ($1::bigint) ON CONFLICT DO NOTHING RETURNING lane
