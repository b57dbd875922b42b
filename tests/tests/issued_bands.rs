//! Bands that `provision bands` made of blank chips, at real daemons: topped up, sold to, and never made anew.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a failed test should panic")]
use std::{process::Stdio, time::Duration};

use evening::{
    audit::audit,
    chance::Chance,
    guest::Guest,
    ticket::Paper,
    world::{
        BAR, DESK, World,
        counter::{Request, Tapped, fault},
    },
};
use hardware::{
    chip::{Chip, Ntag21x, NtagType, SharedBand, UltralightAes},
    signal::Signal,
    virtual_reader::VirtualField,
};

const SOON: Duration = Duration::from_secs(30);

/// Lays these chips on the technician's reader; gives what its light showed.
fn laid_on_the_technicians_reader(world: &World, chips: &[SharedBand]) -> Vec<Option<Signal>> {
    let (socket, list) = (world.dir().join("technician.sock"), world.dir().join("bands.csv"));
    let mut run = world.technician.programs().command("provision");
    run.args(["bands", "--again", "--reader", &format!("virtual:{}", socket.display())]);
    run.arg("--festival").arg(world.technician.dir()).arg("--list").arg(list);
    let mut run = run.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let field = VirtualField::connect(&socket, SOON).unwrap();
    let light = |chip| field.present(chip, Vec::new()).unwrap().wait_signal(SOON);
    let lights = chips.iter().map(light).collect();
    run.kill().unwrap();
    run.wait().unwrap();
    lights
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_band_made_of_a_blank_chip_is_topped_up_and_sold_to_and_not_made_anew() {
    let world = World::of(&[BAR, DESK]).await.unwrap();
    let (bar, desk) = (world.place(BAR.name).unwrap(), world.place(DESK.name).unwrap());
    let blanks: [Chip; 3] = [
        Ntag21x::new(NtagType::Ntag215, [4, 0xb1, 0, 0, 0, 1, 0x80]).into(),
        Ntag21x::new(NtagType::Ntag216, [4, 0xb1, 0, 0, 0, 2, 0x80]).into(),
        UltralightAes::new([4, 0xb1, 0, 0, 0, 3, 0x80], [7; 16]).into(),
    ];
    let chips = blanks.map(SharedBand::new);
    assert_eq!(laid_on_the_technicians_reader(&world, &chips), [Some(Signal::Ok); 3]);
    let mut chance = Chance::new(21);
    let guest = |(number, chip): (usize, &SharedBand)| {
        let paper = Paper { text: String::new(), refused_with: None, id: None };
        Guest::new(number, paper, world.supplier.purse_on(chip.clone()))
    };
    let mut guests: Vec<Guest> = chips.iter().enumerate().map(guest).collect();
    for guest in &mut guests {
        let id = chance.request_id();
        let topped = desk.tap_until_over(guest, &Request::TopUp(5_000), &id, fault("").unwrap()).await.unwrap();
        let Tapped::Green(result) = topped else { panic!("{topped:?}") };
        assert_eq!(result.balance_after_cents, Some(5_000));
        let (id, beer) = (chance.request_id(), Request::Sale(vec![(1, 1)], 0));
        let sold = bar.tap_until_over(guest, &beer, &id, fault("").unwrap()).await.unwrap();
        let Tapped::Green(result) = sold else { panic!("{sold:?}") };
        assert!(result.charged_cents > 0);
    }
    // a laptop that still has the list is asked to make them anew
    assert_eq!(laid_on_the_technicians_reader(&world, &chips), [Some(Signal::Refuse); 3]);
    world.wait_until_agreed(SOON).await.unwrap();
    let report = audit(&world, &guests, &[], None).await.unwrap();
    assert!(report.ok, "{report:#?}");
}
