//! The skin: numpy arrays in, numpy arrays out, with the GIL released in between. Shapes and dtypes are the
//! Python side's to check, values are the core's.

#![expect(clippy::needless_pass_by_value, reason = "PyO3 hands arguments over by value")]

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use numpy::{PyArray1, PyArray2, PyArrayMethods, PyReadonlyArray1, PyReadonlyArray2, PyUntypedArrayMethods};
use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::encoder::{Encoder, Rows, encode_flat};
use crate::{Error, Feature, Histories, Items, Observer, Options, Token, Trainer, Vocabulary, file};

/// How long the core works between two looks at Python's signals.
const PERIOD: Duration = Duration::from_millis(100);

type Arrays<'py> = (Bound<'py, PyArray1<Token>>, Bound<'py, PyArray1<i64>>);

type Joins<'py> = (Bound<'py, PyArray1<u64>>, Bound<'py, PyArray1<u64>>);

/// The compiled core of CLAIRO.
#[pymodule]
mod _clairo {
    #[pymodule_export]
    use super::{PyEncoder, PyVocabulary};
}

#[pyclass(frozen, name = "Vocabulary", module = "clairo._clairo")]
struct PyVocabulary(Arc<Vocabulary>);

#[pymethods]
impl PyVocabulary {
    #[staticmethod]
    #[pyo3(signature = (features, offsets, events, size, cardinalities, threads, progress, plain))]
    #[expect(clippy::too_many_arguments, reason = "Python's own signature, argument by argument")]
    fn train(
        py: Python<'_>,
        features: PyReadonlyArray2<'_, i64>,
        offsets: PyReadonlyArray1<'_, i64>,
        events: PyReadonlyArray1<'_, i64>,
        size: usize,
        cardinalities: Option<Vec<i64>>,
        threads: Option<usize>,
        progress: Option<Py<PyAny>>,
        plain: bool,
    ) -> PyResult<Self> {
        let (items, histories) = corpus(py, &features, &offsets, &events)?;
        let options = Options { size, cardinalities, threads, plain };
        trained(py, progress.as_ref(), |observer| Trainer::new(&items, &histories, &options, observer))
    }

    #[expect(clippy::too_many_arguments, reason = "Python's own signature, argument by argument")]
    fn expand(
        &self,
        py: Python<'_>,
        features: PyReadonlyArray2<'_, i64>,
        offsets: PyReadonlyArray1<'_, i64>,
        events: PyReadonlyArray1<'_, i64>,
        size: usize,
        threads: Option<usize>,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<Self> {
        let (items, histories) = corpus(py, &features, &offsets, &events)?;
        let options = Options { size, cardinalities: None, threads, plain: false };
        trained(py, progress.as_ref(), |observer| {
            Trainer::expand(&self.0, &items, &histories, &options, observer)
        })
    }

    #[staticmethod]
    fn load(py: Python<'_>, path: PathBuf) -> PyResult<Self> {
        py.detach(|| file::load(&path)).map(Self::new).map_err(|error| raise(py, error))
    }

    #[staticmethod]
    fn from_json(py: Python<'_>, text: &[u8], name: PathBuf) -> PyResult<Self> {
        file::from_json(text, &name).map(Self::new).map_err(|error| raise(py, error))
    }

    fn save(&self, py: Python<'_>, path: PathBuf) -> PyResult<()> {
        py.detach(|| file::save(&self.0, &path)).map_err(|error| raise(py, error))
    }

    fn to_json<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, file::to_json(&self.0).as_bytes())
    }

    fn __len__(&self) -> usize {
        self.0.len()
    }

    #[getter]
    fn n_categories(&self) -> usize {
        self.0.initial().n_categories()
    }

    #[getter]
    fn n_initial(&self) -> usize {
        self.0.initial().len()
    }

    #[getter]
    fn size_asked(&self) -> Option<usize> {
        self.0.counts().map(|exact| exact.size_asked)
    }

    #[getter]
    fn cardinalities(&self) -> Option<Vec<i64>> {
        self.0.initial().cardinalities().map(<[i64]>::to_vec)
    }

    #[getter]
    fn initial_tokens(&self) -> Vec<Feature> {
        self.0.initial().features().to_vec()
    }

    /// Both tokens of every merge, laid end to end.
    #[getter]
    fn merges<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<Token>> {
        let merges = self.0.merges().iter().flat_map(|pair| [pair.first(), pair.second()]);
        PyArray1::from_vec(py, merges.collect())
    }

    #[getter]
    fn priorities<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<f64>> {
        PyArray1::from_slice(py, self.0.priorities())
    }

    #[getter]
    fn counts(&self) -> Option<Vec<i128>> {
        self.0.counts().map(|exact| exact.counts.clone())
    }

    /// How often each merge was made inside sets, then how often across.
    #[getter]
    fn joined<'py>(&self, py: Python<'py>) -> Option<Joins<'py>> {
        let joined = &self.0.counts()?.joined;
        let inside = joined.iter().map(|joined| joined.inside).collect();
        let across = joined.iter().map(|joined| joined.across).collect();
        Some((PyArray1::from_vec(py, inside), PyArray1::from_vec(py, across)))
    }

    #[getter]
    fn unit(&self) -> Option<i128> {
        self.0.counts().map(|exact| exact.unit)
    }

    fn encoder(&self, py: Python<'_>, features: PyReadonlyArray2<'_, i64>) -> PyResult<PyEncoder> {
        let items = items(py, &features)?;
        let encoder = py.detach(|| Encoder::new(Arc::clone(&self.0), &items));
        encoder.map(PyEncoder).map_err(|error| raise(py, error))
    }

    fn encode_flat<'py>(
        &self,
        py: Python<'py>,
        tokens: PyReadonlyArray1<'_, Token>,
    ) -> PyResult<Bound<'py, PyArray1<Token>>> {
        let encoded = encode_flat(&self.0, tokens.as_slice()?);
        encoded.map(|tokens| PyArray1::from_vec(py, tokens)).map_err(|error| raise(py, error))
    }

    fn decode<'py>(
        &self,
        py: Python<'py>,
        tokens: PyReadonlyArray1<'_, Token>,
    ) -> PyResult<Option<Bound<'py, PyArray1<i64>>>> {
        Ok(self.0.decode(tokens.as_slice()?).map(|values| PyArray1::from_vec(py, values)))
    }

    fn features_of(&self, token: Token, limit: usize) -> Option<Vec<Feature>> {
        self.0.features_of(token, limit)
    }
}

impl PyVocabulary {
    fn new(vocabulary: Vocabulary) -> Self {
        Self(Arc::new(vocabulary))
    }
}

#[pyclass(frozen, name = "Encoder", module = "clairo._clairo")]
struct PyEncoder(Encoder<Arc<Vocabulary>>);

#[pymethods]
impl PyEncoder {
    fn __len__(&self) -> usize {
        self.0.n_items()
    }

    fn initial<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray2<Token>>> {
        let flat = PyArray1::from_slice(py, self.0.initial());
        flat.reshape([self.0.n_items(), self.0.n_categories()])
    }

    fn encode<'py>(
        &self,
        py: Python<'py>,
        offsets: PyReadonlyArray1<'_, i64>,
        events: PyReadonlyArray1<'_, i64>,
        seed: u64,
        rows: PyReadonlyArray1<'_, u64>,
        threads: Option<usize>,
    ) -> PyResult<Arrays<'py>> {
        let histories = self.histories(py, &offsets, &events)?;
        let rows = rows.as_slice()?.to_vec();
        rows_of(py, |observer| self.0.encode(&histories, (seed, &rows), threads, observer))
    }

    fn encode_deterministic<'py>(
        &self,
        py: Python<'py>,
        offsets: PyReadonlyArray1<'_, i64>,
        events: PyReadonlyArray1<'_, i64>,
        threads: Option<usize>,
    ) -> PyResult<Arrays<'py>> {
        let histories = self.histories(py, &offsets, &events)?;
        rows_of(py, |observer| self.0.encode_deterministic(&histories, threads, observer))
    }

    fn canonical<'py>(&self, py: Python<'py>, threads: Option<usize>) -> PyResult<Arrays<'py>> {
        rows_of(py, |observer| self.0.canonical(threads, observer))
    }
}

impl PyEncoder {
    fn histories(
        &self,
        py: Python<'_>,
        offsets: &PyReadonlyArray1<'_, i64>,
        events: &PyReadonlyArray1<'_, i64>,
    ) -> PyResult<Histories> {
        histories(py, offsets, events, self.0.n_items())
    }
}

fn rows_of(
    py: Python<'_>,
    job: impl FnOnce(&mut Observer) -> crate::Result<Rows> + Send,
) -> PyResult<Arrays<'_>> {
    let rows = watched(py, None, job)?;
    Ok((PyArray1::from_vec(py, rows.tokens), PyArray1::from_vec(py, rows.offsets)))
}

/// Runs the trainer that `start` makes.
fn trained(
    py: Python<'_>,
    progress: Option<&Py<PyAny>>,
    start: impl FnOnce(&mut Observer) -> crate::Result<Trainer> + Send,
) -> PyResult<PyVocabulary> {
    let (vocabulary, goal) = watched(py, progress, |observer| {
        let mut trainer = start(observer)?;
        trainer.run(observer)?;
        let goal = trainer.goal();
        Ok((trainer.finish(), goal))
    })?;
    tell(py, progress, vocabulary.merges().len(), goal)?;
    Ok(PyVocabulary::new(vocabulary))
}

/// Copied while the GIL is held: another thread could write into the arrays later.
fn items(py: Python<'_>, features: &PyReadonlyArray2<'_, i64>) -> PyResult<Items> {
    let (values, n_categories) = (features.as_slice()?.to_vec(), features.shape()[1]);
    py.detach(|| Items::new(values, n_categories)).map_err(|error| raise(py, error))
}

fn histories(
    py: Python<'_>,
    offsets: &PyReadonlyArray1<'_, i64>,
    events: &PyReadonlyArray1<'_, i64>,
    n_items: usize,
) -> PyResult<Histories> {
    Histories::new(offsets.as_slice()?, events.as_slice()?, n_items).map_err(|error| raise(py, error))
}

fn corpus(
    py: Python<'_>,
    features: &PyReadonlyArray2<'_, i64>,
    offsets: &PyReadonlyArray1<'_, i64>,
    events: &PyReadonlyArray1<'_, i64>,
) -> PyResult<(Items, Histories)> {
    let items = items(py, features)?;
    let histories = histories(py, offsets, events, items.len())?;
    Ok((items, histories))
}

/// Runs a job without the GIL, which is taken back every [`PERIOD`] for signals and progress. What Python
/// raises then stops the job and is raised again.
fn watched<T: Send>(
    py: Python<'_>,
    progress: Option<&Py<PyAny>>,
    job: impl FnOnce(&mut Observer) -> crate::Result<T> + Send,
) -> PyResult<T> {
    let mut last = Instant::now();
    let mut raised = None;
    let result = py.detach(|| {
        job(&mut |done, all| {
            if last.elapsed() < PERIOD {
                return ControlFlow::Continue(());
            }
            last = Instant::now();
            match Python::attach(|py| tell(py, progress, done, all)) {
                Ok(()) => ControlFlow::Continue(()),
                Err(error) => {
                    raised = Some(error);
                    ControlFlow::Break(())
                }
            }
        })
    });
    result.map_err(|error| raised.unwrap_or_else(|| raise(py, error)))
}

fn tell(py: Python<'_>, progress: Option<&Py<PyAny>>, done: usize, all: usize) -> PyResult<()> {
    py.check_signals()?;
    progress.map_or(Ok(()), |progress| progress.call1(py, (done, all)).map(drop))
}

/// The one place where errors of the core become exceptions of `clairo.errors`.
fn raise(py: Python<'_>, error: Error) -> PyErr {
    let class = match error {
        Error::File { .. } => "VocabularyError",
        Error::Input { .. } | Error::Stopped => "InputError",
        Error::Io { path, source } => {
            // With these arguments Python itself picks the fitting kind of OSError.
            return PyOSError::new_err((source.raw_os_error(), source.to_string(), path));
        }
    };
    let raised = || py.import("clairo.errors")?.getattr(class)?.call1((error.to_string(),));
    raised().map_or_else(|failed| failed, PyErr::from_value)
}
