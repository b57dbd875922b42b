//! The catalogue: each case with its outcome, its code and the test that shows it.
//! Invariant: `docs/hostile-input.md` is this list, and every test that it or another page of promises names is there.
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// One case: where it comes in, what comes in, what must happen, with which code, shown by which test.
type Case = (&'static str, &'static str, &'static str, &'static str, &'static str);

const CASES: &[Case] = &[
    (
        "ticket text",
        "10 kB",
        "refused, nothing recorded",
        "ticket.too_long",
        "texts_that_no_ticket_holds_are_refused_with_one_reason_each",
    ),
    (
        "ticket text",
        "empty; NUL; emoji; right-to-left marks; a byte order mark",
        "refused",
        "ticket.unreadable",
        "texts_that_no_ticket_holds_are_refused_with_one_reason_each",
    ),
    (
        "ticket text",
        "a genuine ticket in lower case, with a space, with a zero-width space, doubled",
        "refused: a ticket has one form",
        "ticket.not_canonical, ticket.unknown_scheme, ticket.unreadable",
        "a_genuine_ticket_is_taken_only_in_its_one_form",
    ),
    (
        "scanner",
        "QR codes with bytes that are no UTF-8, or of another character set (ECI)",
        "the picture is refused; the scanner goes on",
        "-",
        "the_scanner_refuses_pictures_and_goes_on",
    ),
    (
        "scanner",
        "no picture; a length of 4 GB; a picture cut short; two codes",
        "refused; the scanner goes on",
        "-",
        "the_scanner_refuses_pictures_and_goes_on",
    ),
    (
        "box API",
        "lone surrogates, invalid UTF-8, duplicate keys, unknown fields, deep JSON, wrong types, wrong content type",
        "400, nothing recorded",
        "api.body",
        "bodies_that_are_not_what_the_route_takes_change_nothing",
    ),
    (
        "box API",
        "a body of 1 MB, or one that says it is",
        "413 or the line closed, not read beyond the limit",
        "api.body",
        "bodies_that_are_not_what_the_route_takes_change_nothing",
    ),
    (
        "box API",
        "negative, fractional, huge and overflowing amounts and quantities",
        "refused, nothing recorded",
        "api.body, till.*",
        "amounts_beyond_sense_move_no_money",
    ),
    ("box API", "no key, a wrong key, another box's key", "401", "box.screen_key", "nobody_without_the_key_gets_in"),
    (
        "box HTTPS",
        "slow-loris: connections that send nothing, half a TLS hello, half a head",
        "closed in time; others are served meanwhile",
        "-",
        "slow_connections_are_closed_and_others_are_served_meanwhile",
    ),
    (
        "box HTTPS",
        "more connections from one address than it may have",
        "the surplus is closed; the box goes on",
        "-",
        "one_address_cannot_take_every_seat_and_a_seat_is_given_back",
    ),
    (
        "hub API",
        "deep JSON, duplicate keys, an oversized body, no body, lists that are no CSV",
        "400, 413 or 422; nothing changed",
        "hub.bad_request, hub.too_large, hub.csv",
        "the_hub_refuses_bodies_that_are_not_what_the_route_takes",
    ),
    (
        "QUIC",
        "every frame type from a key that nobody enrolled",
        "refused or closed; the hub goes on with its boxes",
        "refuse code",
        "a_stranger_is_refused_whatever_it_begins_with_and_the_hub_goes_on",
    ),
    (
        "QUIC",
        "rubbish, and frames beyond the limit",
        "that connection alone ends",
        "close code 1",
        "a_frame_beyond_the_limit_or_of_rubbish_ends_that_connection_alone",
    ),
    (
        "QUIC",
        "signs of life without end, from a box of the festival",
        "ended; kept out for 2 s, doubled up to a minute",
        "refuse code",
        "chatter_runs_dry_and_does_not_eat_into_what_entries_may_take",
    ),
    (
        "QUIC",
        "genuine entries without end; a segment whose signature does not hold, again and again",
        "the same; other boxes are served",
        "refuse code",
        "a_crowd_of_boxes_is_reconciled_beside_liars_and_over_a_kill_and_sends_nothing_twice",
    ),
    (
        "QUIC",
        "floods of genuine first packets and of rubbish, from one address and from 64",
        "memory stays within 32 MB more, boxes come back and deliver, taps notice nothing",
        "-",
        "a_flood_of_handshakes_leaves_the_hubs_memory_its_boxes_and_their_taps_alone",
    ),
    (
        "frames",
        "every type cut at each byte",
        "waits for the rest, never decodes",
        "-",
        "a_frame_cut_at_any_byte_is_never_a_frame",
    ),
    (
        "frames",
        "every length field inflated, every byte set to 0 and to 255",
        "refused or canonical; no memory beyond the limit",
        "-",
        "no_changed_byte_makes_a_frame_that_is_not_canonical",
    ),
    (
        "enrolment line",
        "frames cut, inflated, out of turn; silence",
        "told so, the box stays blank and waits for the next tool",
        "-",
        "a_blank_box_survives_every_cut_and_inflated_frame",
    ),
    (
        "bundle",
        "older than the one held",
        "refused, the newer one stays",
        "box.bundle_older",
        "a_bundle_is_taken_only_from_its_festival_its_key_and_never_an_older_one",
    ),
    (
        "bundle",
        "of another festival; signed by a key for something else; a changed bit; cut; a byte too many",
        "refused",
        "-",
        "a_bundle_is_taken_only_from_its_festival_its_key_and_never_an_older_one",
    ),
    (
        "USB stick",
        "a link, a pipe, a device, a folder, 8 GB of nothing, rubbish, a changed bit, an older bundle",
        "refused by name, not read beyond the limit; taps go on",
        "exit code 1",
        "what_a_stick_holds_is_a_package_of_this_festival_or_is_refused_unread_and_taps_go_on",
    ),
    (
        "bundle file",
        "the box's first bundle damaged, of another festival, or gone",
        "the box starts with the newer one it stored; without one it says why it does not start",
        "exit code 1",
        "a_box_lives_with_a_damaged_bundle_as_long_as_one_is_good",
    ),
    (
        "document",
        "10⁶ operations in 1,132 compressed bytes",
        "refused before it is unpacked",
        "-",
        "a_compressed_bomb_of_a_million_operations_is_refused_unread",
    ),
    (
        "document",
        "a run of 10⁶ operations in few bytes",
        "counted without being made, refused",
        "-",
        "a_run_of_a_million_operations_is_counted_without_being_made",
    ),
    (
        "document",
        "start_op out of range",
        "refused before automerge sees it",
        "-",
        "a_start_beyond_what_automerge_bears_is_refused",
    ),
    (
        "document",
        "two changes with the same actor and seq",
        "the second is refused",
        "-",
        "another_change_with_the_same_actor_and_number_is_refused",
    ),
    (
        "clock",
        "the hub's clock ten years early or late",
        "the same taps give the same journal but for its times",
        "-",
        "the_same_taps_under_three_clocks_give_the_same_money",
    ),
    (
        "clock",
        "a box's clock ten years early or late",
        "the same entries but for their times",
        "-",
        "a_journal_under_three_clocks_differs_only_in_its_times",
    ),
    (
        "disk",
        "full, on a real file system",
        "refused by name, nothing acknowledged is lost, goes on once there is room",
        "box.disk_full",
        "a_full_disk_refuses_by_name_loses_nothing_and_recovers",
    ),
    (
        "disk",
        "full when the box starts, or read-only",
        "does not start, says why, destroys nothing, starts once it can",
        "exit code 1",
        "a_box_on_a_full_or_read_only_disk_says_so_and_starts_once_it_can",
    ),
    (
        "disk",
        "fills up in the middle of a sale, under the real box",
        "refused by name before anything is on the band, or in doubt on the screen; goes on without a restart",
        "box.disk_full, till.in_doubt",
        "a_box_whose_disk_fills_up_in_the_middle_of_a_sale_says_so_loses_nothing_and_goes_on",
    ),
    (
        "disk",
        "fills up while the hub ingests",
        "console and health check say so, the box keeps its entries; goes on without a restart",
        "hub.disk_full",
        "a_hub_whose_disk_fills_up_while_it_ingests_says_so_loses_nothing_and_goes_on",
    ),
    (
        "disk",
        "given up by the kernel (read-only) under the running box",
        "refused by name, nothing on the band; everything green is there after a restart",
        "box.disk_failed, box.disk_read_only",
        "a_box_whose_disk_turns_read_only_says_so_and_has_everything_after_a_restart",
    ),
    (
        "disk",
        "given up by the kernel under the running hub, or read-only when it starts",
        "says so and stores nothing, does not start; everything is there afterwards, in the same term",
        "hub.disk_failed, hub.disk_read_only",
        "a_hub_whose_disk_turns_read_only_says_so_does_not_start_on_it_and_has_everything_afterwards",
    ),
    (
        "damaged disk",
        "any bit, sector, page or end of the box's store or its WAL",
        "kept as evidence and said, or fetched or folded anew and said, or no effect on any sum",
        "box.damaged.*, box.fetched_again, box.sums_made_anew",
        "whatever_a_disk_changes_is_found_and_said_or_changes_no_sum",
    ),
    (
        "damaged disk",
        "any bit, sector, page or end of the hub's database",
        "does not start, or says so and stores nothing more, or a new term, or no effect on any sum",
        "hub.database_damaged",
        "whatever_a_disk_changes_in_the_hub_s_database_is_found_and_said_or_changes_no_sum",
    ),
    (
        "damaged disk",
        "what the hub said, what is folded, a document, the ticket snapshot, a WAL frame, under the real box",
        "fetched again or made anew, and told; a damaged WAL stops it",
        "box.fetched_again, box.sums_made_anew, box.damaged.wal",
        "what_a_disk_changed_at_a_box_is_fetched_or_made_anew_and_told_and_a_damaged_wal_stops_it",
    ),
    (
        "damaged disk",
        "a published balance in the database of the real hub",
        "stores nothing, says so; boxes keep what they sell and send it to the restored copy",
        "hub.database_damaged",
        "a_hub_whose_database_was_changed_stores_nothing_says_so_and_gets_everything_once_a_copy_is_restored",
    ),
    (
        "SIGKILL",
        "before every call that changes the box's disk",
        "starts within 2 s; every green light is there, nothing is booked twice, doubts are shown",
        "-",
        "a_box_that_is_killed_before_any_call_has_what_it_told_and_books_nothing_twice",
    ),
    (
        "SIGKILL",
        "before every call that changes the hub's disk",
        "what it acknowledged is there, console acts too; the same term",
        "-",
        "a_hub_that_is_killed_before_any_call_has_what_it_acknowledged_and_stays_in_its_term",
    ),
    (
        "files",
        "box folder of another owner; its key unreadable, or readable by all",
        "does not start, says which file and why; nothing is changed",
        "exit code 1",
        "files_of_another_owner_are_named_and_left_alone",
    ),
    (
        "files",
        "hub folder of another owner; keys unreadable",
        "does not start, says which file and why; nothing is changed",
        "exit code 1",
        "files_of_another_owner_are_named_and_left_alone",
    ),
    (
        "files",
        "enrolment empty, cut, overlong, random, of another box, or with one changed bit",
        "does not start, says so; nothing is changed",
        "exit code 1",
        "a_damaged_enrolment_is_named_and_left_alone",
    ),
    (
        "files",
        "a page of the store damaged, the store cut, the WAL full of rubbish",
        "serves its screens, writes nothing, names the damage; the evidence stays",
        "box.damaged.*",
        "a_damaged_store_leads_to_a_box_that_only_shows",
    ),
    (
        "CSV",
        "bad lines, unknown or doubled columns, no UTF-8, endless cells, formulas",
        "refused whole with each line's number; formulas are text",
        "hub.csv",
        "a_file_with_bad_lines_is_refused_whole_with_the_number_of_each",
    ),
    (
        "inspect",
        "random bytes as every kind; every golden file changed and cut",
        "an error with its offset; no panic, no secret",
        "inspect.unreadable",
        "no_bytes_make_it_panic_whatever_they_are_said_to_be",
    ),
];

/// Pages that say what is promised and which test shows it.
const PAGES: [&str; 4] = ["architecture.md", "hostile-input.md", "reliability.md", "threats.md"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

/// What stands in the tree: every program text at once, and the name of every file and folder without its ending.
#[derive(Default)]
struct Tree {
    text: String,
    names: BTreeSet<String>,
}

impl Tree {
    fn read() -> Self {
        let mut tree = Self::default();
        for folder in ["crates", "edge", "sync-hub", "provisioning", "tests"] {
            tree.add(&root().join(folder));
        }
        tree
    }

    fn add(&mut self, folder: &Path) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            self.names.extend(path.file_stem().map(|name| name.to_string_lossy().into_owned()));
            if path.is_dir() && path.file_name().is_some_and(|name| name != "target" && name != ".git") {
                self.add(&path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                self.text.push_str(&fs::read_to_string(&path).unwrap());
            }
        }
    }

    /// Whether a function, file or folder is called so; of a name that ends in an ellipsis the beginning is enough.
    fn has(&self, name: &str) -> bool {
        match name.strip_suffix('…') {
            Some(beginning) => self.text.contains(&format!("fn {beginning}")),
            None => self.names.contains(name) || self.text.contains(&format!("fn {name}(")),
        }
    }
}

/// Words between backticks that are as long as a test's name: three underscores at least.
fn named_tests(page: &str) -> impl Iterator<Item = &str> {
    let is_of_a_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '…';
    let words = page.split('`').skip(1).step_by(2).flat_map(move |quoted| quoted.split(move |c| !is_of_a_name(c)));
    words.filter(|word| word.matches('_').count() >= 3)
}

fn table() -> String {
    let mut text = String::from(
        "# Hostile input\n\nWhat comes from outside to do harm, what must happen, and the test that shows it. \
         Made by `WRITE_GOLDENS=1 cargo test -p evening --test hostile_input catalogue`; the list itself stands in \
         `tests/hostile/catalogue.rs`.\n\n| where | input | what happens | code | shown by |\n| --- | --- | --- | --- | --- |\n",
    );
    for (place, input, outcome, code, test) in CASES {
        text.push_str(&format!("| {place} | {input} | {outcome} | {code} | `{}` |\n", test));
    }
    text
}

#[test]
fn the_page_is_the_catalogue_and_every_test_that_it_names_is_there() {
    let page = root().join("docs/hostile-input.md");
    if std::env::var_os("WRITE_GOLDENS").is_some() {
        fs::write(&page, table()).unwrap();
    }
    assert_eq!(fs::read_to_string(&page).unwrap(), table(), "WRITE_GOLDENS=1 writes it anew");
    let tree = Tree::read();
    for (_, input, _, _, test) in CASES {
        assert!(tree.text.contains(&format!("fn {test}(")), "{input}: no test {test}");
    }
}

#[test]
fn every_test_that_a_page_of_promises_names_is_there() {
    let tree = Tree::read();
    for page in PAGES {
        let text = fs::read_to_string(root().join("docs").join(page)).unwrap();
        let named: BTreeSet<&str> = named_tests(&text).collect();
        assert!(named.len() >= 10, "{page} names {} tests", named.len());
        let missing: Vec<&&str> = named.iter().filter(|name| !tree.has(name)).collect();
        assert!(missing.is_empty(), "docs/{page} names what is not there: {missing:#?}");
    }
    let text = "Of `a_test_with_a_name`, a_word_without_ticks, `two_words`, `till::some_other_test_too` and `who_knows_what_…`";
    let named: Vec<&str> = named_tests(text).collect();
    assert_eq!(named, ["a_test_with_a_name", "some_other_test_too", "who_knows_what_…"]);
    // put together here, so that this very text is none of them
    let nobody = ["nobody", "wrote", "this"].join("_");
    assert!(!tree.has(&nobody) && !tree.has(&format!("{nobody}_…")));
}
