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

fn said(file: &BandKeysFile, Sealed { epoch, boxes }: &Sealed, lang: Lang) -> Said {
    let out = file.out.display();
    let text = lang.pick(
        format!(
            "Clés de bracelets, génération {epoch}, scellées pour {boxes} boîtiers, dans {out}.\nPosez le fichier dans le dossier band-keys/ du hub, puis « Prendre les nouvelles clés » sur sa console. Faites les premiers bracelets de cette génération quand chaque boîtier aura entendu le hub ; les boîtiers enrôlés désormais l'ont d'emblée."
        ),
        format!(
            "Band keys, epoch {epoch}, sealed to {boxes} boxes, in {out}.\nPut the file into the hub's folder band-keys/, then \"Take up new keys\" on its console. Make the first bands of this epoch once each box has heard the hub; boxes enrolled from now on have it at once."
        ),
    );
    Said::done(json!({ "epoch": epoch, "boxes": boxes, "out": file.out }), text)
}
