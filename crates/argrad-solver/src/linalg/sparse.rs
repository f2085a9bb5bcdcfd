#[derive(Debug)]
pub(crate) struct SparseLdl;
impl SparseLdl {
    pub(crate) fn new(_: usize, _: &[(u32, u32)], _: &[i8]) -> Result<Self, crate::Error> {
        todo!()
    }
    pub(crate) fn entry_address(&self) -> &[u32] {
        todo!()
    }
    pub(crate) fn diagonal_address(&self) -> &[u32] {
        todo!()
    }
    pub(crate) fn steps(&self) -> &[u32] {
        todo!()
    }
    pub(crate) fn matrix_len(&self) -> usize {
        todo!()
    }
    pub(crate) fn factor_len(&self) -> usize {
        todo!()
    }
    pub(crate) fn factor(&self, _: &[f64], _: &mut [f64], _: f64, _: f64) -> f64 {
        todo!()
    }
    pub(crate) fn solve(&self, _: &[f64], _: &mut [f64], _: usize) {
        todo!()
    }
}
