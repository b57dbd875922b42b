//! Bundles that are older, of elsewhere, signed by the wrong key, or damaged: by the rule and by a real box.
use std::{fs, time::Duration};

use domain::{
    bundle::{Bundle, BundleBody, BundleError},
    trust::{CertificateChain, Purpose},
};
use evening::world::{BAR, World, wait::until};
use provisioning::{Festival, files, hub};

const SOON: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bundle_is_taken_only_from_its_festival_its_key_and_never_an_older_one() {
    let (one, two) = (World::of(&[]).await.unwrap(), World::of(&[]).await.unwrap());
    let bytes = one.hub.bundle().await.unwrap();
    let bundle = Bundle::verify_newer(&bytes, one.festival(), None).unwrap();
    let number = bundle.body.number;
    assert!(Bundle::verify_newer(&bytes, one.festival(), Some(number)).is_ok());
    let older = Bundle::verify_newer(&bytes, one.festival(), Some(number + 1));
    assert_eq!(older, Err(BundleError::Older { found: number, held: number + 1 }));
    let foreign = two.hub.bundle().await.unwrap();
    let swapped = Bundle::verify_newer(&foreign, one.festival(), None);
    assert!(matches!(swapped, Err(BundleError::Festival { .. })), "{swapped:?}");

    // every other key of the hub, under its own genuine chain
    let festival = Festival::open(&one.dir().join("organiser/festival"))
        .or_else(|_| Festival::open(&one.dir().join("organiser")))
        .unwrap();
    let body: BundleBody = bundle.body.clone();
    for (name, purpose) in
        [("hub", Purpose::Hub), ("ticket-1", Purpose::Ticket), ("credit-online", Purpose::CreditOnline)]
    {
        let keys = one.dir().join("hub/keys");
        let key = files::read_key(&keys.join(format!("{name}.key"))).unwrap();
        let chain: CertificateChain = hub::read_chain(&festival, &keys.join(format!("{name}.chain")), purpose).unwrap();
        let signed = body.sign(&one.festival(), &key, &chain);
        let refused = Bundle::verify(&signed, Some(one.festival()));
        assert!(matches!(refused, Err(BundleError::Chain(_))), "{name}: {refused:?}");
        // the right chain over another key's signature
        let genuine = hub::read_chain(&festival, &keys.join("bundle.chain"), Purpose::Bundle).unwrap();
        let refused = Bundle::verify(&body.sign(&one.festival(), &key, &genuine), Some(one.festival()));
        assert_eq!(refused, Err(BundleError::Signature), "{name}");
    }
    for end in (0..bytes.len()).step_by(7) {
        assert!(Bundle::verify(&bytes[..end], None).is_err(), "cut at {end}");
    }
    for bit in (0..bytes.len() * 8).step_by(11) {
        let mut changed = bytes.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert!(Bundle::verify(&changed, Some(one.festival())).is_err(), "bit {bit}");
    }
    assert!(Bundle::verify(&[bytes.as_slice(), &[0]].concat(), None).is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_box_lives_with_a_damaged_bundle_as_long_as_one_is_good() {
    let world = World::of(&[BAR]).await.unwrap();
    let bar = world.place(BAR.name).unwrap();
    let first = bar.dir.join("bundle.fbun");
    let good = fs::read(&first).unwrap();
    // a newer one arrives and is stored
    world.hub.add_category(77, ["Nouveau", "New"], 1).await.unwrap();
    world.wait_for_bundle(SOON).await.unwrap();
    let stored = until("the newer bundle is stored", SOON, async || Ok(stored_bundle(&bar.dir))).await.unwrap();
    bar.stop(SOON).unwrap();
    for damage in [Vec::new(), b"FBUN".to_vec(), good[..good.len() / 2].to_vec()] {
        fs::write(&first, damage).unwrap();
        bar.start().unwrap();
        bar.wait_for_link(true, SOON).await.unwrap();
        bar.stop(SOON).unwrap();
    }
    // the first is good, the newer one is rubbish: it starts, and the hub sends the newer one again
    fs::write(&first, &good).unwrap();
    fs::write(&stored, b"rubbish").unwrap();
    bar.start().unwrap();
    world.wait_for_bundle(SOON).await.unwrap();
    bar.stop(SOON).unwrap();
    // none is good: it says so and stays off
    fs::write(&first, b"FBUN").unwrap();
    fs::write(stored_bundle(&bar.dir).unwrap(), b"rubbish").unwrap();
    let refused = format!("{:#}", bar.start().unwrap_err());
    assert!(refused.contains("bundle.fbun"), "{refused}");
    fs::write(&first, &good).unwrap();
    bar.start().unwrap();
    world.wait_for_bundle(SOON).await.unwrap();
}

fn stored_bundle(dir: &std::path::Path) -> Option<std::path::PathBuf> {
    let names = fs::read_dir(dir).ok()?.filter_map(|entry| Some(entry.ok()?.path()));
    names.filter(|path| path.to_string_lossy().contains("store.db.bundle-")).max()
}
