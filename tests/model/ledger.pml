/* The properties of the ledger, and helpers that several files share. */

/* Counts a hit: count(path) = table + entries after the checkpoint. Changes x and total. */
inline count_hit(source, hit_) {
    total = image[source].table[hit_];
    for (x : image[source].checkpoint + 1 .. image[source].head) {
        if
        :: KIND_OF(image[source].log[x]) == BATCH && HIT_OF(image[source].log[x]) == hit_ -> total++
        :: else
        fi
    }
}

/* Checks that no hit is counted twice and that no acknowledged hit is missing. Every step that
 * changes the authority's image or acknowledges a hit ends with this. Changes h, x and total. */
inline check_ledger() {
    for (h : 0 .. ALL_HITS - 1) {
        count_hit(AUTHORITY, h);
        hit_counted_twice = total > 1;
        assert(!hit_counted_twice);
        acknowledged_hit_missing = acknowledged[h] && total == 0;
#if RESTORES
        acknowledged_hit_missing = acknowledged_hit_missing && !excused[h];
#endif
        assert(!acknowledged_hit_missing)
    }
}

/* Checks a 409: the ledger will never accept this batch. If lanes are neither forgotten nor lost by
 * a restore, there is no reason for a 409 at all. After a restore nothing is checked: a request
 * that arrives late may close the gap. Changes x, last and e. */
inline check_conflict(lane_, sequence_) {
#if !RESTORES
    conflict_false = 1;
#if FORGETS
    last = image[AUTHORITY].lane[lane_];
    for (x : image[AUTHORITY].checkpoint + 1 .. image[AUTHORITY].head) {
        e = image[AUTHORITY].log[x];
        if
        :: KIND_OF(e) == BATCH && LANE_OF(e) == lane_ -> last = SEQUENCE_OF(e)
        :: KIND_OF(e) == OPENING && LANE_OF(e) == lane_ -> last = 0
        :: KIND_OF(e) == FORGETTING && LANE_OF(e) == lane_ -> last = UNKNOWN
        :: else
        fi
    }
    conflict_false = last != UNKNOWN && sequence_ <= last + 1;
#endif
#ifndef ALLOW_FALSE_CONFLICTS /* shows where one of them leads */
    assert(!conflict_false);
#endif
#endif
    skip
}

/* Applies an entry to lanes: those in memory or those in the table. */
inline apply_entry(owner, entry_) {
    if
    :: KIND_OF(entry_) == BATCH -> owner.lane[LANE_OF(entry_)] = SEQUENCE_OF(entry_)
    :: KIND_OF(entry_) == OPENING -> owner.lane[LANE_OF(entry_)] = 0
    :: KIND_OF(entry_) == FORGETTING -> owner.lane[LANE_OF(entry_)] = UNKNOWN
    :: else
    fi
}

/* Draws an id into i. Real ids are random and never collide. Here it is the lowest id of this
 * counter that nothing refers to, which keeps the number of states small. Changes x and used. */
inline draw_id(c_) {
    used = 0;
    for (i : 0 .. IMAGES - 1) {
        for (x : 0 .. POSITIONS - 1) {
            used = used | 1 << ID_OF(image[i].log[x])
        }
    }
    for (i : 0 .. COUNTERS - 1) {
        used = used | 1 << ID_OF(counter[i].entry);
        used = used | 1 << ID_OF(zombie[i].entry);
        used = used | 1 << ID_OF(zombie[i].new_entry)
    }
#if FOLDS == 2
    for (x : 0 .. POSITIONS - 1) {
        used = used | 1 << ID_OF(fold.log[x])
    }
#endif
    i = 2 + c_;
    do
    :: i < IDS && (used >> i & 1) -> i = i + COUNTERS
    :: else -> break
    od;
    assert(i < IDS)
}

/* Copies an image. Changes x. */
inline copy_image(to, from) {
    for (x : 0 .. POSITIONS - 1) {
        image[to].log[x] = image[from].log[x]
    }
    image[to].first = image[from].first;
    image[to].head = image[from].head;
    image[to].checkpoint = image[from].checkpoint;
    for (x : 0 .. ALL_HITS - 1) {
        image[to].table[x] = image[from].table[x]
    }
    for (x : 0 .. LANES - 1) {
        image[to].lane[x] = image[from].lane[x]
    }
}
