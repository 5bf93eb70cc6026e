//! Sealing the blocks of a round: most of what a large commit costs the processor, so on two of them.

use std::{sync::Arc, thread};

use crate::{
    StoreError,
    arrange::packer,
    block::{Block, Packer},
    log::write_failed,
};

/// From so many blocks on a second thread helps: starting it costs a fifth of a block.
const MANY_BLOCKS: usize = 3;

/// Two packers, to be used side by side.
pub struct Packers {
    first: Packer,
    second: Packer,
}

impl Packers {
    /// Fresh ones.
    pub fn new() -> Result<Self, StoreError> {
        Ok(Self { first: packer()?, second: packer()? })
    }

    /// The bytes of each of `blocks`.
    pub fn seal(&mut self, blocks: &[Block]) -> Result<Vec<Vec<u8>>, StoreError> {
        if blocks.len() < MANY_BLOCKS {
            return seal(blocks, &mut self.first);
        }
        let (here, there) = blocks.split_at(blocks.len().div_ceil(2));
        let Self { first, second } = self;
        thread::scope(|scope| {
            let helper = scope.spawn(|| seal(there, second));
            let mut sealed = seal(here, first)?;
            sealed.extend(helper.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?);
            Ok(sealed)
        })
    }
}

fn seal(blocks: &[Block], packer: &mut Packer) -> Result<Vec<Vec<u8>>, StoreError> {
    let sealed = blocks.iter().map(|block| block.seal(packer));
    sealed.collect::<Result<_, _>>().map_err(|error| write_failed(Arc::new(error)))
}
