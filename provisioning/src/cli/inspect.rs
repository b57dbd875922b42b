//! `inspect file`.
use std::{io::Read, path::Path};

use provisioning::{
    Failure, Lang, files,
    inspect::{self, Sources, Standing},
};

use super::{Said, args::InspectFile};

pub(super) fn file(wanted: &InspectFile, lang: Lang) -> Result<Said, Failure> {
    let mut sources = Sources::default();
    if let Some(dir) = &wanted.festival {
        sources.add_festival(dir)?;
    }
    if let Some(dir) = &wanted.hub_dir {
        sources.add_hub(dir)?;
    }
    if let Some(path) = &wanted.bundle {
        sources.add_bundle(path)?;
    }
    for path in &wanted.chain {
        sources.add_chain(path)?;
    }
    let report = inspect::file(&bytes(&wanted.file)?, wanted.kind, &sources).map_err(Failure::Unreadable)?;
    let exit = u8::from(report.standing() == Standing::Bad);
    Ok(Said { json: report.json(), text: report.explain(lang), exit })
}

fn bytes(path: &Path) -> Result<Vec<u8>, Failure> {
    if path != Path::new("-") {
        return files::read(path);
    }
    let mut bytes = Vec::new();
    let read = std::io::stdin().lock().take(files::MAX.saturating_add(1)).read_to_end(&mut bytes);
    read.map_err(|error| Failure::File { path: path.into(), reason: error.to_string() })?;
    Ok(bytes)
}
