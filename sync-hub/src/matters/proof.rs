//! The proof that a device wrote two histories, as a file for somebody who trusts nobody here.
//! Invariant: it holds against the founding record in it; nothing secret and nothing of other journals is in it.
//! Not here: its format and its check (`domain::ledger::ForkProof`, `EvidenceFile`).
use domain::{
    id::EntryRef,
    ledger::{Body, EvidenceFile, ForkBranch, ForkProof},
    trust::CertificateChain,
};

use crate::{
    hub::{Hub, HubError},
    ingest::{journals::Journal, tree::Hashes},
    store::StoredRun,
};

impl Hub {
    /// The file for the fork at this entry.
    pub fn fork_evidence(&mut self, about: EntryRef) -> Result<Vec<u8>, HubError> {
        let journal = self.journals.get(about.device, about.epoch).ok_or(HubError::NotFound("The journal"))?;
        let runs = journal.tree.runs();
        let here = |run: &&StoredRun| (run.first..=run.last).contains(&about.seq);
        let mut branches = Vec::new();
        for run in runs.iter().filter(here).take(8) {
            branches.extend(self.branch(journal, run, about.seq)?.map(|branch| (run, branch)));
        }
        branches.dedup_by(|a, b| a.1.bodies.first() == b.1.bodies.first());
        let mut branches = branches.into_iter();
        let (Some((first, a)), Some((_, b))) = (branches.next(), branches.next()) else {
            return Err(HubError::Refused("hub.proof_not_yet"));
        };
        let prev = match about.seq.checked_sub(1) {
            None => domain::journal::ZERO_HASH,
            Some(_) if first.first == about.seq => first.prev,
            Some(before) => {
                let hashes = crate::ingest::journals::StoredHashes { store: &self.store, journal: journal.id };
                let hash = hashes.of(first, before, before)?.first().copied();
                hash.ok_or(HubError::Refused("hub.proof_not_yet"))?
            }
        };
        let chain = self.chain_of(journal)?;
        let proof = ForkProof { chain, epoch: about.epoch, seq: about.seq, prev, a, b };
        let founding = &self.identity.founding;
        // what nobody could check is not handed out
        proof.verify(founding).map_err(|error| {
            tracing::error!(%error, "a fork proof does not hold");
            HubError::Refused("hub.proof_not_yet")
        })?;
        Ok(EvidenceFile { founding: founding.clone(), proof }.to_bytes())
    }

    /// Entries of a run from `seq` up to a head that was signed.
    fn branch(&self, journal: &Journal, run: &StoredRun, seq: u32) -> Result<Option<ForkBranch>, HubError> {
        let Some((last, _, signature)) = self.store.signature_at_or_after(journal.id.into(), run.run, seq)? else {
            return Ok(None);
        };
        let bodies = self.store.bodies(journal.id.into(), run.run, seq, last)?;
        Ok(Some(ForkBranch { bodies: bodies.into_iter().map(Body).collect(), signature }))
    }

    fn chain_of(&self, journal: &Journal) -> Result<CertificateChain, HubError> {
        let from_genesis = || {
            let genesis =
                self.store.journals().ok()?.into_iter().find(|one| one.journal == i64::from(journal.id))?.genesis?;
            let entry = domain::journal::Entry::from_bytes(&genesis).ok()?;
            match domain::journal::Detail::of(&entry) {
                Ok(domain::journal::Detail::Genesis(genesis)) => Some(genesis.chain),
                Ok(_) | Err(_) => None,
            }
        };
        let bytes = from_genesis().or(self.store.chain_of(journal.device)?);
        let chain = bytes.and_then(|bytes| CertificateChain::from_bytes(&bytes).ok());
        chain.ok_or(HubError::NotFound("The certificate of that box"))
    }
}
