//! `band-keys`.
use provisioning::{
    Failure, Festival, Lang,
    band_keys::{Sealed, new_epoch, seal},
};
use serde_json::json;

use super::{
    Said,
    args::{BandKeysCommand, BandKeysFile},
};

pub(super) fn run(command: BandKeysCommand, lang: Lang) -> Result<Said, Failure> {
    let (file, sealed) = match command {
        BandKeysCommand::New(file) => {
            let sealed = new_epoch(&Festival::open(&file.festival)?, &file.out, &file.without)?;
            (file, sealed)
        }
        BandKeysCommand::Seal { epoch, file } => {
            let sealed = seal(&Festival::open(&file.festival)?, epoch, &file.out, &file.without)?;
            (file, sealed)
        }
    };
    Ok(said(&file, &sealed, lang))
}

fn said(file: &BandKeysFile, sealed: &Sealed, lang: Lang) -> Said {
    let Sealed { epoch, boxes, offered, left_out } = sealed;
    let out = file.out.display();
    let mut lines = vec![lang.pick(
        format!(
            "Clés de bracelets, génération {epoch}, scellées pour {boxes} boîtiers, dans {out}.\nPosez le fichier dans le dossier band-keys/ du hub, puis « Prendre les nouvelles clés » sur sa console. Faites les premiers bracelets de cette génération quand chaque boîtier aura entendu le hub ; les boîtiers enrôlés désormais l'ont d'emblée. Sauvegardez de nouveau le dossier du festival."
        ),
        format!(
            "Band keys, epoch {epoch}, sealed to {boxes} boxes, in {out}.\nPut the file into the hub's folder band-keys/, then \"Take up new keys\" on its console. Make the first bands of this epoch once each box has heard the hub; boxes enrolled from now on have it at once. Back up the festival's folder again."
        ),
    )];
    if !offered.is_empty() {
        let named = named(offered);
        lines.push(lang.pick(
            format!("Parmi eux, sans reçu de leur enrôlement : {named}."),
            format!("Among them, without a receipt of their enrolment: {named}."),
        ));
    }
    if !left_out.is_empty() {
        let named = named(left_out);
        lines.push(lang.pick(
            format!("Laissés de côté, cette fois et à l'avenir : {named}. Pour en reprendre un, retirez « without_band_keys » ou « revoked » de ses fichiers dans boxes/, puis scellez de nouveau."),
            format!("Left out, now and later: {named}. To take one in again, remove \"without_band_keys\" or \"revoked\" from its files in boxes/, and seal again."),
        ));
    }
    let json = json!({ "epoch": epoch, "boxes": boxes, "out": file.out, "offered": offered, "left_out": left_out });
    Said::done(json, lines.join("\n"))
}

fn named(numbers: &[u16]) -> String {
    numbers.iter().map(|number| format!("#{number:04}")).collect::<Vec<_>>().join(", ")
}
