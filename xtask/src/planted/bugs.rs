//! The planted bugs: what is changed where, and the test that has to fail.

/// A bug, and the test that catches it.
pub(super) struct PlantedBug {
    pub(super) name: &'static str,
    pub(super) file: &'static str,
    /// Each text that occurs once in the file, and what replaces it. `PLANTED` stands for the condition.
    pub(super) edits: &'static [(&'static str, &'static str)],
    /// A test of the suite.
    pub(super) test: &'static str,
}

const POWER_CUT: &str = "durability::a_power_cut_at_any_step_loses_nothing_durable_and_leaves_whole_prefixes";
const FLIPPED: &str = "damage::a_flipped_bit_anywhere_is_found_or_harmless";
const ORACLE: &str = "equivalence::every_answer_is_the_oracles_and_options_never_show";

pub(super) const BUGS: &[PlantedBug] = &[
    PlantedBug {
        name: "segment-not-synced",
        file: "crates/tidalite-log/src/writer/sync.rs",
        edits: &[("            file.sync()?;\n", "            if !PLANTED { file.sync()?; }\n")],
        test: POWER_CUT,
    },
    PlantedBug {
        name: "segment-name-not-synced",
        file: "crates/tidalite-log/src/writer/sync.rs",
        edits: &[("if !batch.entries_durable {", "if !batch.entries_durable && !PLANTED {")],
        test: POWER_CUT,
    },
    PlantedBug {
        name: "writer-folder-not-synced",
        file: "crates/tidalite-log/src/writer/sync.rs",
        edits: &[("if !folder_durable {", "if !folder_durable && !PLANTED {")],
        test: POWER_CUT,
    },
    PlantedBug {
        name: "mark-before-sync",
        file: "crates/tidalite-log/src/writer/sync.rs",
        edits: &[(
            "        if let Err(e) = self.sync_files(&batch, folder_durable) {",
            "        if PLANTED { self.state().mark(batch.reaches.position, self.vfs.now_us()); }
        if let Err(e) = self.sync_files(&batch, folder_durable) {",
        )],
        test: POWER_CUT,
    },
    PlantedBug {
        name: "failed-sync-forgotten",
        file: "crates/tidalite-log/src/writer/sync.rs",
        edits: &[
            ("            self.state().fail(&e);\n", "            if !PLANTED { self.state().fail(&e); }\n"),
            (
                "Err(e) => commit.failed = Some(e.duplicate()),",
                "Err(e) => if !PLANTED { commit.failed = Some(e.duplicate()) },",
            ),
        ],
        test: "dead_ends::reopened::a_failed_sync_says_to_reopen_and_that_saves_what_can_be_read_and_tells_the_rest",
    },
    PlantedBug {
        name: "frame-checksum-not-compared",
        file: "crates/tidalite-log/src/frame.rs",
        edits: &[("crc == u32_at(frame, FRAME_CRC_AT)", "(PLANTED || crc == u32_at(frame, FRAME_CRC_AT))")],
        test: FLIPPED,
    },
    PlantedBug {
        name: "text-checksum-not-compared",
        file: "crates/tidalite/src/files/two_copies.rs",
        edits: &[(
            "if checksum(found_kind, format, body) != crc {",
            "if !PLANTED && checksum(found_kind, format, body) != crc {",
        )],
        test: FLIPPED,
    },
    PlantedBug {
        name: "page-checksum-not-compared",
        file: "crates/tidalite-parts/src/read/pages.rs",
        edits: &[("if found == page.sum {", "if PLANTED || found == page.sum {")],
        test: "damage::swapped::two_pages_that_changed_places_are_damage",
    },
    PlantedBug {
        name: "table-of-another-store",
        file: "crates/tidalite/src/files/two_copies.rs",
        edits: &[(
            "if named.is_some_and(|named| named != crc) {",
            "if !PLANTED && named.is_some_and(|named| named != crc) {",
        )],
        test: "damage::strangers::a_file_of_another_store_is_damage_and_gives_no_point_of_it",
    },
    PlantedBug {
        name: "published-before-sync",
        file: "crates/tidalite-vfs/src/publish.rs",
        edits: &[("        file.sync()?;\n", "        if !PLANTED { file.sync()?; }\n")],
        test: POWER_CUT,
    },
    PlantedBug {
        name: "published-name-not-synced",
        file: "crates/tidalite-vfs/src/publish.rs",
        edits: &[("vfs.sync_dir(folder)?;", "if !PLANTED { vfs.sync_dir(folder)?; }")],
        test: POWER_CUT,
    },
    PlantedBug {
        name: "part-not-synced",
        file: "crates/tidalite-parts/src/write.rs",
        edits: &[("            sink.file.sync()?;\n", "            if !PLANTED { sink.file.sync()?; }\n")],
        test: POWER_CUT,
    },
    PlantedBug {
        name: "part-names-not-synced",
        file: "crates/tidalite/src/upkeep/publish.rs",
        edits: &[(
            "state.paths.part_folders().iter().try_for_each(",
            "if PLANTED { return Ok(()); }\n    state.paths.part_folders().iter().try_for_each(",
        )],
        test: POWER_CUT,
    },
    PlantedBug {
        name: "symlink-followed",
        file: "crates/tidalite-vfs/src/beneath.rs",
        edits: &[(
            "let within = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;",
            "let within = if PLANTED { ResolveFlags::empty() } else { ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS };",
        )],
        test: "damage::strangers::nothing_outside_of_a_store_is_read_changed_or_waited_for",
    },
    PlantedBug {
        name: "flushed-one-too-far",
        file: "crates/tidalite/src/upkeep/flush.rs",
        edits: &[("flushed: tail.flushed,", "flushed: tail.flushed + u64::from(PLANTED),")],
        test: ORACLE,
    },
    PlantedBug {
        name: "unflushed-segment-removed",
        file: "crates/tidalite/src/upkeep/collect.rs",
        edits: &[("is_some_and(|end| end <= flushed)", "is_some_and(|end| PLANTED || end <= flushed)")],
        test: "kill::nothing_accepted_is_lost_when_processes_are_killed_at_any_moment",
    },
    PlantedBug {
        name: "pinned-version-removed",
        file: "crates/tidalite/src/upkeep/collect.rs",
        edits: &[(
            "let pinned = !file.try_lock_exclusive().unwrap_or(false);",
            "let pinned = !PLANTED && !file.try_lock_exclusive().unwrap_or(false);",
        )],
        test: "concurrency::a_snapshot_reads_the_same_after_flush_compaction_and_collection",
    },
    PlantedBug {
        name: "living-writer-taken-for-dead",
        file: "crates/tidalite-log/src/dir.rs",
        edits: &[("Ok(lock) => Ok(lock.is_none()),", "Ok(lock) => Ok(!PLANTED && lock.is_none()),")],
        test: "beginnings::a_writer_that_lives_is_read_on_after_each_look_and_its_run_is_running",
    },
    PlantedBug {
        name: "beginning-writer-taken-for-dead",
        file: "crates/tidalite-log/src/dir.rs",
        edits: &[("numbers => !numbers?.is_empty(),", "numbers => !numbers?.is_empty() || PLANTED,")],
        test: "beginnings::a_writer_that_is_looked_at_while_it_begins_is_read_once_it_writes",
    },
    PlantedBug {
        name: "own-frames-not-missed",
        file: "crates/tidalite/src/engine/log_tail.rs",
        edits: &[(
            "match accepted.and_then(|accepted| end.lacks(dir, accepted)) {",
            "match accepted.filter(|_| !PLANTED).and_then(|accepted| end.lacks(dir, accepted)) {",
        )],
        test: "damage::gone_logs::a_process_misses_what_it_has_logged_itself",
    },
    PlantedBug {
        name: "staged-before-the-first-segment",
        file: "crates/tidalite/src/write/ingest.rs",
        edits: &[("    log.begin()?;\n", "    if !PLANTED { log.begin()?; }\n")],
        test: "damage::gone_logs::a_writer_that_begins_with_a_large_batch_is_never_called_damaged",
    },
    PlantedBug {
        name: "holes-read",
        file: "crates/tidalite-vfs/src/real.rs",
        edits: &[(
            "if !statfs::may_map(&self.file).unwrap_or(false) {",
            "if PLANTED || !statfs::may_map(&self.file).unwrap_or(false) {",
        )],
        test: "damage::sparse::a_sparse_file_in_any_place_costs_little_memory_and_few_bytes_to_read",
    },
    PlantedBug {
        name: "child-writes-to-its-parents-log",
        file: "crates/tidalite-vfs/src/fork.rs",
        edits: &[(
            "        match &self.page {\n            Some(page) => page.as_slice()[0].load",
            "        if PLANTED { return false; }
        match &self.page {\n            Some(page) => page.as_slice()[0].load",
        )],
        test: "process_fork::after_a_fork_child_and_parent_log_to_one_run_and_neither_touches_the_others_log",
    },
    PlantedBug {
        name: "rewind-hides-its-own-step",
        file: "crates/tidalite/src/view/tombstones.rs",
        edits: &[("step > k && !automatic", "(step > k || (PLANTED && step == k)) && !automatic")],
        test: "retract::a_rewind_hides_later_steps_and_keeps_them",
    },
    PlantedBug {
        name: "rewind-hides-what-came-later",
        file: "crates/tidalite/src/view/tombstones.rs",
        edits: &[(
            "applies(rule.kept) && rule.before.covers(seq)",
            "applies(rule.kept) && (PLANTED || rule.before.covers(seq))",
        )],
        test: "retract::a_rewind_hides_later_steps_and_keeps_them",
    },
    PlantedBug {
        name: "write-order-by-writer",
        file: "crates/tidalite-query/src/points/columns.rs",
        edits: &[(
            "        (clock_us, self.seqs.get(i)",
            "        let clock_us = if PLANTED { 0 } else { clock_us };\n        (clock_us, self.seqs.get(i)",
        )],
        test: "order::the_later_write_wins_whoever_opened_first",
    },
    PlantedBug {
        name: "rollup-across-the-edge",
        file: "crates/tidalite/src/plan/pushdown_rollups.rs",
        edits: &[(
            "                Verdict::AllPoints if resolution.fits(&bucket) =>",
            "                verdict if (PLANTED || verdict == Verdict::AllPoints) && resolution.fits(&bucket) =>",
        )],
        test: "rollups::rollups_answer_as_the_points_do",
    },
    PlantedBug {
        name: "rollup-in-two-groups",
        file: "crates/tidalite/src/plan/resolution.rs",
        edits: &[("self.steps.is_none_or(by_steps) &&", "(PLANTED || self.steps.is_none_or(by_steps)) &&")],
        test: "rollups::a_bucket_that_lies_in_two_groups_counts_in_neither_as_a_whole",
    },
    PlantedBug {
        name: "infinity-in-a-sum",
        file: "crates/tidalite-model/src/summary.rs",
        edits: &[(
            "        if !v.is_finite() {\n            if v.is_nan() {",
            "        if !v.is_finite() && !(PLANTED && v > 0.0) {\n            if v.is_nan() {",
        )],
        test: ORACLE,
    },
    PlantedBug {
        name: "damage-not-told",
        file: "crates/tidalite/src/view/losses.rs",
        edits: &[(
            "if frames.end.is_some_and(|end| end <= from) || frames.first > to {",
            "if PLANTED || frames.end.is_some_and(|end| end <= from) || frames.first > to {",
        )],
        test: "damage::answers::each_answer_about_a_damaged_log_is_an_error_or_says_what_it_lacks",
    },
    PlantedBug {
        name: "wake-taken-by-another",
        file: "crates/tidalite/src/engine/watching.rs",
        edits: &[(
            "        let wakers = std::mem::take(&mut state.wakers);\n        self.changed.notify_all();\n        drop(state);",
            "        let wakers = if PLANTED { BTreeMap::new() } else { std::mem::take(&mut state.wakers) };
        if !PLANTED { self.changed.notify_all(); }
        drop(state);",
        )],
        test: "followers::a_follower_is_woken_by_a_change_that_another_saw_first",
    },
    PlantedBug {
        name: "tiles-not-cut-around-copies",
        file: "crates/tidalite/src/upkeep/parts_source.rs",
        edits: &[(
            "self.cuts.get(run).map_or(&[], Vec::as_slice)",
            "self.cuts.get(run).filter(|_| !PLANTED).map_or(&[], Vec::as_slice)",
        )],
        test: "compacted::a_series_whose_steps_fell_back_is_answered_from_summaries_after_a_compaction",
    },
    PlantedBug {
        name: "thinned-although-larger",
        file: "crates/tidalite/src/upkeep/thin/thinning.rs",
        edits: &[("if what.must_shrink &&", "if !PLANTED && what.must_shrink &&")],
        test: "thin_gain::nothing_is_thinned_where_the_files_would_not_get_smaller",
    },
    PlantedBug {
        name: "uncertain-bucket-ruled-out",
        file: "crates/tidalite/src/plan/pushdown_rollups.rs",
        edits: &[(
            "                Verdict::NoPoint => {}\n",
            "                Verdict::NoPoint => {}\n                Verdict::Unknown if PLANTED => {}\n",
        )],
        test: "rollups::rollups_rule_out_points_by_value_and_time_as_the_points_do",
    },
    PlantedBug {
        name: "points-read-without-rollups",
        file: "crates/tidalite/src/plan/pushdown_rollups.rs",
        edits: &[("!(resolution.summaries || cut)", "!(resolution.summaries || cut && !PLANTED)")],
        test: "rollups::points_and_aggregates_by_value_or_time_read_only_the_pages_that_may_hold_some",
    },
    PlantedBug {
        name: "shared-rows-laid-out-as-given",
        file: "crates/tidalite/src/parts/scan.rs",
        edits: &[(
            "    order.sort_by_key(|&i| pieces[i].from);\n",
            "    if !PLANTED { order.sort_by_key(|&i| pieces[i].from); }\n",
        )],
        test: ORACLE,
    },
    PlantedBug {
        name: "merged-series-cut-by-times",
        file: "crates/tidalite/src/plan/load.rs",
        edits: &[(
            "None => Ok(s.rows().map(|r| r.whole(parts, false)).collect()),",
            "None => Ok(s.rows().map(|r| r.whole(parts, PLANTED)).collect()),",
        )],
        test: "filters::a_write_in_a_range_of_times_does_not_count_where_a_later_one_of_its_step_is_outside",
    },
    PlantedBug {
        name: "zone-of-calendar-ignored",
        file: "crates/tidalite-query/src/axis/calendar.rs",
        edits: &[(
            "Ok(Calendar { unit, count, zone })",
            "Ok(Calendar { unit, count, zone: if PLANTED { TimeZone::UTC } else { zone } })",
        )],
        test: "rollups::calendar_buckets_hold_the_hours_of_their_months",
    },
    PlantedBug {
        name: "plain-runs-with-points-in-logs",
        file: "crates/tidalite/src/plan/plain.rs",
        edits: &[(
            "                    runs.remove(run);\n                    latest",
            "                    if !PLANTED { runs.remove(run); }\n                    latest",
        )],
        test: "plain_series::summaries_of_runs_in_one_part_and_in_several_places_are_those_of_their_points",
    },
    PlantedBug {
        name: "plain-series-with-repeats",
        file: "crates/tidalite/src/plan/plain.rs",
        edits: &[("if entry.repeats || !apart ||", "if entry.repeats && !PLANTED || !apart ||")],
        test: "plain_series::summaries_of_runs_in_one_part_and_in_several_places_are_those_of_their_points",
    },
    PlantedBug {
        name: "plain-runs-in-several-parts",
        file: "crates/tidalite/src/plan/plain.rs",
        edits: &[("and_modify(|part| *part = NONE)", "and_modify(|part| if !PLANTED { *part = NONE; })")],
        test: "plain_series::summaries_of_runs_in_one_part_and_in_several_places_are_those_of_their_points",
    },
    PlantedBug {
        name: "plain-runs-that-were-rewound",
        file: "crates/tidalite/src/plan/plain.rs",
        edits: &[("&& !self.has_tombstones(run)", "&& (PLANTED || !self.has_tombstones(run))")],
        test: "plain_series::summaries_of_runs_in_one_part_and_in_several_places_are_those_of_their_points",
    },
    PlantedBug {
        name: "plain-runs-with-descendants",
        file: "crates/tidalite/src/plan/plain.rs",
        edits: &[(
            "                runs.remove(&descendant.run);\n",
            "                if !PLANTED { runs.remove(&descendant.run); }\n",
        )],
        test: "plain_series::summaries_of_runs_in_one_part_and_in_several_places_are_those_of_their_points",
    },
    PlantedBug {
        name: "runs-without-a-value-first",
        file: "crates/tidalite/src/select/run_list.rs",
        edits: &[(
            "SortOptions { descending: *descending, nulls_first: false }",
            "SortOptions { descending: *descending, nulls_first: PLANTED }",
        )],
        test: "run_list::runs_are_sorted_and_paged_in_logs_and_in_parts",
    },
];
