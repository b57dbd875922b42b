//! Real disks that fill up, or turn read-only, under the real daemons: small file systems in a mount namespace of this
//! process alone, gone with it.
//! Invariant: where nobody may mount anything these tests are skipped, said and counted as such (`ignored`); they never
//! pass without having shown anything.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a failed test should panic")]
mod a_box;
mod a_hub;
mod disk;

use std::{
    io::Write,
    os::unix::process::CommandExt,
    process::{Command, ExitCode},
};

use libtest_mimic::{Arguments, Trial};

/// Set for the process that has a mount namespace of its own.
const OWN: &str = "EVENING_OWN_MOUNTS";

fn trial(
    name: &'static str,
    kind: disk::Kind,
    test: impl AsyncFnOnce() -> anyhow::Result<()> + Send + 'static,
) -> Trial {
    let missing = disk::missing(kind);
    if let Some(why) = &missing {
        // past the test runner, which shows nothing of a test that passes
        let _ = writeln!(std::io::stderr(), "SKIPPED {name}: {why}; nothing is shown");
    }
    let run = move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        runtime.block_on(test()).map_err(|error| format!("{error:?}").into())
    };
    Trial::test(name, run).with_ignored_flag(missing.is_some())
}

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    if std::env::var_os(OWN).is_none() {
        let mut again = Command::new("unshare");
        again.args(["--mount", "--propagation", "private"]).arg(std::env::current_exe().unwrap());
        let error = again.args(std::env::args_os().skip(1)).env(OWN, "1").exec();
        // without it nothing is mounted at all
        let _ = writeln!(std::io::stderr(), "no mount namespace of its own: {error}");
    }
    // each has a disk and two daemons of its own
    arguments.test_threads.get_or_insert(2);
    let tests = vec![
        trial(
            "a_box_whose_disk_fills_up_in_the_middle_of_a_sale_says_so_loses_nothing_and_goes_on",
            disk::Kind::Memory,
            a_box::a_box_whose_disk_fills_up_in_the_middle_of_a_sale_says_so_loses_nothing_and_goes_on,
        ),
        trial(
            "a_box_whose_disk_turns_read_only_says_so_and_has_everything_after_a_restart",
            disk::Kind::Loop,
            a_box::a_box_whose_disk_turns_read_only_says_so_and_has_everything_after_a_restart,
        ),
        trial(
            "a_hub_whose_disk_fills_up_while_it_ingests_says_so_loses_nothing_and_goes_on",
            disk::Kind::Memory,
            a_hub::a_hub_whose_disk_fills_up_while_it_ingests_says_so_loses_nothing_and_goes_on,
        ),
        trial(
            "a_hub_whose_disk_turns_read_only_says_so_does_not_start_on_it_and_has_everything_afterwards",
            disk::Kind::Loop,
            a_hub::a_hub_whose_disk_turns_read_only_says_so_does_not_start_on_it_and_has_everything_afterwards,
        ),
    ];
    libtest_mimic::run(&arguments, tests).exit_code()
}
