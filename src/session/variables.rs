//! Named tensors on a device that outlive runs: weights in training, optimizer slots, counters.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use super::Device;
use crate::backend::cpu;
#[cfg(feature = "webgpu")]
use crate::backend::gpu::{self, Gpu};
use crate::error::{Error, Result};
use crate::graph::Graph;
use crate::tensor::{Tensor, TensorType};

/// The variables of one or more [`Session`](super::Session)s, by name. Clones share all of it.
///
/// A session finds each of its graph's variables here by name, or puts it here with its initial value. So a graph that
/// trains, one that evaluates and one for a last, smaller batch work on the same weights, and weights survive
/// compiling anew. Memory is held once, on the device; the executables use it where it lies.
///
/// **A lost GPU** takes the variables with it. They come back from the *last host copy*, which is the value that
/// [`write`](Variables::write) wrote or [`read`](Variables::read) read last, or else the initial one; what runs did to a
/// variable after that is gone. All variables come back, each from its own copy: whoever trains should read all of them
/// in one call, now and then, and look at [`losses`](Variables::losses) to learn that it happened.
#[derive(Clone)]
pub struct Variables(Rc<RefCell<Store>>);

struct Store {
    device: Device,
    entries: Vec<Entry>,
    losses: usize,
}

struct Entry {
    name: String,
    /// What a lost device's variable is restored from.
    host: Arc<Tensor>,
    cell: Cell,
}

/// A variable's memory on the device.
#[derive(Clone)]
enum Cell {
    Cpu(cpu::Variable),
    #[cfg(feature = "webgpu")]
    Gpu(gpu::Variable),
}

impl Cell {
    fn new(device: &Device, value: &Tensor) -> Result<Cell> {
        Ok(match device {
            Device::Cpu => Cell::Cpu(cpu::Variable::new(value)),
            #[cfg(feature = "webgpu")]
            Device::Gpu(gpu) => Cell::Gpu(gpu::Variable::new(gpu, value)?),
        })
    }
}

impl Variables {
    /// None yet, on this device.
    pub fn new(device: Device) -> Variables {
        Variables(Rc::new(RefCell::new(Store { device, entries: Vec::new(), losses: 0 })))
    }

    /// The device that holds them; another one than at first if that was lost.
    pub fn device(&self) -> Device {
        self.0.borrow().device.clone()
    }

    /// Names, in the order in which they came.
    pub fn names(&self) -> Vec<String> {
        self.0.borrow().entries.iter().map(|e| e.name.clone()).collect()
    }

    /// The type of a variable; an error if there is none of this name.
    pub fn kind(&self, name: &str) -> Result<TensorType> {
        let store = self.0.borrow();
        store.find(name).map(|i| store.entries[i].host.kind())
    }

    /// Bytes of all variables, on the host.
    pub fn bytes(&self) -> usize {
        self.0.borrow().entries.iter().map(|e| e.host.kind().bytes()).sum()
    }

    /// How often the device was lost and the variables restored.
    pub fn losses(&self) -> usize {
        self.0.borrow().losses
    }

    /// Adds a variable; one of the same name and type stays as it is. Errors: the type is another, or too large.
    pub fn add(&self, name: &str, initial: Arc<Tensor>) -> Result<()> {
        let mut store = self.0.borrow_mut();
        if let Ok(found) = store.find(name) {
            let kind = store.entries[found].host.kind();
            if kind != initial.kind() {
                return Err(Error::mismatch("there is a variable of this name already", kind, initial.kind()).at(name));
            }
            return Ok(());
        }
        let cell = Cell::new(&store.device, &initial).map_err(|e| e.at(name))?;
        store.entries.push(Entry { name: name.to_string(), host: initial, cell });
        Ok(())
    }

    /// Forgets the variables of which `keep` is false; sessions that use them still do, but share them with no new one.
    pub fn retain(&self, keep: &mut dyn FnMut(&str) -> bool) {
        self.0.borrow_mut().entries.retain(|e| keep(&e.name));
    }

    /// What variables hold after the runs so far, in the order asked for. These become the last host copies. An error of
    /// kind `DeviceLost` says that the values are gone; the next run of a session restores the copies before these.
    pub async fn read(&self, names: &[&str]) -> Result<Vec<Arc<Tensor>>> {
        let cells: Vec<Cell> = {
            let store = self.0.borrow();
            names.iter().map(|name| Ok(store.entries[store.find(name)?].cell.clone())).collect::<Result<_>>()?
        };
        let values = read(&cells).await?;
        let values: Vec<Arc<Tensor>> = values.into_iter().map(Arc::new).collect();
        let mut store = self.0.borrow_mut();
        for (name, value) in names.iter().zip(&values) {
            // It may be gone by now.
            if let Ok(found) = store.find(name) {
                store.entries[found].host = value.clone();
            }
        }
        Ok(values)
    }

    /// Sets a variable, for the runs from now on. Errors: there is none of this name, or its type is another.
    pub fn write(&self, name: &str, value: Arc<Tensor>) -> Result<()> {
        let mut store = self.0.borrow_mut();
        let found = store.find(name)?;
        let entry = &mut store.entries[found];
        let kind = entry.host.kind();
        if kind != value.kind() {
            return Err(Error::mismatch("the value does not fit the variable", kind, value.kind()).at(name));
        }
        // Even if the device is gone: it will be restored from this.
        entry.host = value.clone();
        match &entry.cell {
            Cell::Cpu(cell) => cell.write(&value),
            #[cfg(feature = "webgpu")]
            Cell::Gpu(cell) => match cell.write(&value) {
                Err(error) if error.kind() == crate::ErrorKind::DeviceLost => Ok(()),
                result => result,
            },
        }
    }

    /// Makes sure that there is every variable of a graph.
    pub(super) fn bind(&self, graph: &Graph) -> Result<()> {
        let name = |v: &crate::graph::Variable| graph.values()[v.value.index()].name.clone();
        let mut names: Vec<String> = graph.variables().iter().map(name).collect();
        graph.variables().iter().zip(&names).try_for_each(|(v, name)| self.add(name, v.initial.clone()))?;
        names.sort_unstable();
        match names.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => Err(Error::invalid("two variables of one graph have this name").at(&pair[0])),
            None => Ok(()),
        }
    }

    /// A graph's variables, in its order, on the CPU.
    pub(super) fn on_cpu(&self, graph: &Graph) -> Result<Vec<cpu::Variable>> {
        self.of(graph, &|cell| match cell {
            Cell::Cpu(cell) => Some(cell.clone()),
            #[cfg(feature = "webgpu")]
            Cell::Gpu(_) => None,
        })
    }

    /// A graph's variables, in its order, on the GPU.
    #[cfg(feature = "webgpu")]
    pub(super) fn on_gpu(&self, graph: &Graph) -> Result<Vec<gpu::Variable>> {
        self.of(graph, &|cell| match cell {
            Cell::Gpu(cell) => Some(cell.clone()),
            Cell::Cpu(_) => None,
        })
    }

    fn of<T>(&self, graph: &Graph, cell: &dyn Fn(&Cell) -> Option<T>) -> Result<Vec<T>> {
        self.bind(graph)?;
        let store = self.0.borrow();
        let found = |v: &crate::graph::Variable| {
            let entry = &store.entries[store.find(&graph.values()[v.value.index()].name)?];
            cell(&entry.cell).ok_or_else(|| Error::invalid("the variable is on another device").at(&entry.name))
        };
        graph.variables().iter().map(found).collect()
    }

    /// Opens a lost GPU again, unless another session has done so, and restores the variables there.
    #[cfg(feature = "webgpu")]
    pub(super) async fn renew(&self, loss: Error) -> Result<Device> {
        let Device::Gpu(lost) = self.device() else { return Err(loss) };
        if lost.is_lost() {
            let again = Gpu::new(lost.options()).await;
            let gpu =
                again.map_err(|e| Error::device_lost(format!("{}, and it does not come back: {e}", loss.message())))?;
            let store = &mut *self.0.borrow_mut();
            // Others may have been faster while this one waited.
            if matches!(&store.device, Device::Gpu(gpu) if gpu.is_lost()) {
                store.device = Device::Gpu(gpu);
                store.losses += 1;
                for entry in &mut store.entries {
                    entry.cell = Cell::new(&store.device, &entry.host)?;
                }
            }
        }
        Ok(self.device())
    }
}

impl Store {
    fn find(&self, name: &str) -> Result<usize> {
        let found = self.entries.iter().position(|e| e.name == name);
        found.ok_or_else(|| Error::invalid(format!("there is no variable {name:?}")))
    }
}

/// Copies from the device.
async fn read(cells: &[Cell]) -> Result<Vec<Tensor>> {
    #[cfg(feature = "webgpu")]
    let mut on_gpu = Vec::new();
    let mut values = Vec::with_capacity(cells.len());
    for cell in cells {
        match cell {
            Cell::Cpu(cell) => values.push(cell.read()),
            #[cfg(feature = "webgpu")]
            Cell::Gpu(cell) => on_gpu.push(cell.clone()),
        }
    }
    // All are on one device.
    #[cfg(feature = "webgpu")]
    values.extend(gpu::Variable::read(&on_gpu).await?);
    Ok(values)
}
