//! What all memories and tables of one instance may have together.

use wasmtime::{ResourceLimiter, Result};

const TABLE_ELEMENTS: usize = 100_000;

pub struct Limits {
    most: usize,
    used: usize,
    elements: usize,
    refused: bool,
}

impl Limits {
    pub fn new(most: usize) -> Limits {
        Limits {
            most,
            used: 0,
            elements: 0,
            refused: false,
        }
    }

    /// Bytes of memory: it only grows.
    pub fn used(&self) -> usize {
        self.used
    }

    /// The guest asked for more memory than it may have.
    pub fn refused(&self) -> bool {
        self.refused
    }
}

impl ResourceLimiter for Limits {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> Result<bool> {
        let used = self.used.saturating_add(desired.saturating_sub(current));
        if used > self.most {
            self.refused = true;
            return Ok(false);
        }
        self.used = used;
        Ok(true)
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> Result<bool> {
        let elements = self
            .elements
            .saturating_add(desired.saturating_sub(current));
        if elements > TABLE_ELEMENTS {
            return Ok(false);
        }
        self.elements = elements;
        Ok(true)
    }
}
