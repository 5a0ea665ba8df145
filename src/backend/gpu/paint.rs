//! Pictures of an executable's outputs without their leaving the device.

use std::cell::Cell;
use std::rc::Rc;

use bytemuck::{Pod, Zeroable};

use super::executable::filled;
use super::image::{Rectangle, Tap, taps};
use super::lower::threads;
use super::pipelines::Pipeline;
use super::readback::Readback;
use super::variant::{Defines, Kernel, Variant};
use super::{Executable, Gpu};
use crate::error::{Error, Result};
use crate::shape::Shape;
use crate::tensor::{DType, Data, TensorType};

/// The painting shader; there is one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PaintKey;

impl Kernel for PaintKey {
    fn file(&self) -> &'static str {
        "paint.wgsl"
    }
    fn defines(&self) -> Defines {
        Vec::new()
    }
    fn all() -> Vec<Self> {
        vec![PaintKey]
    }
}

/// What decides the colour of a pixel, as the number of a colour of [`Painting::palette`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Hue {
    /// The class with the highest score, the first of equals. Of a single map: 1 where it is above this, else 0.
    Class(f32),
    /// The maps are classes already: the nearest.
    Index,
    /// A channel: 0 at the first number, 255 at the second.
    Level(usize, [f32; 2]),
    /// The same of the softmax over the channels; of a single map, of its sigmoid.
    Share(usize, [f32; 2]),
}

/// How an output becomes a picture. It is `[1, height, width, channels]`, `[1, channels, height, width]` or
/// `[1, height, width]`; maps are interpolated to the picture's size (bilinear, half-pixel centres, edges repeated).
#[derive(Clone, Debug, PartialEq)]
pub struct Painting {
    /// Height and width of the picture.
    pub size: [usize; 2],
    /// The part of the picture that the maps are of, in its pixels.
    pub view: Rectangle,
    /// The channels stand before height and width.
    pub channels_first: bool,
    /// What decides the colours.
    pub hue: Hue,
    /// 256 colours, RGBA from the lowest byte.
    pub palette: Vec<u32>,
}

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    size: [u32; 2],
    pitch: u32,
    kind: u32,
    row: u32,
    column: u32,
    plane: u32,
    channels: u32,
    channel: u32,
    integers: u32,
    low: f32,
    factor: f32,
}

/// Colours in a palette.
const COLOURS: usize = 256;
/// Rows of a picture begin at multiples of this many pixels, as WebGPU wants it of copies to textures (256 bytes).
const PITCH: usize = 64;

/// Paints outputs of one executable. All is kept while pictures have one size, so a camera's frames create nothing.
pub struct Painter {
    gpu: Gpu,
    pipeline: Rc<Pipeline>,
    canvas: Option<Canvas>,
}

struct Canvas {
    output: usize,
    painting: Painting,
    /// Type of the picture's buffer: words.
    kind: TensorType,
    /// Parameters, taps, palette.
    tables: [wgpu::Buffer; 3],
    pixels: wgpu::Buffer,
    staging: Option<wgpu::Buffer>,
    reading: Cell<bool>,
    bindings: wgpu::BindGroup,
}

impl Painter {
    /// For an executable.
    pub async fn new(executable: &Executable) -> Result<Painter> {
        let gpu = executable.gpu().clone();
        let mut built = gpu.pipelines(&[&Variant::Paint(PaintKey)], &mut |_, _| ()).await.map_err(|(_, e)| e)?;
        Ok(Painter { gpu, pipeline: built.remove(0), canvas: None })
    }

    /// Paints an output of the executable's last run. Errors: it is no maps, there is no such channel, the picture is
    /// empty or too large.
    pub async fn paint(&mut self, executable: &Executable, output: usize, painting: &Painting) -> Result<()> {
        self.gpu.check()?;
        if self.canvas.as_ref().is_none_or(|canvas| canvas.output != output || canvas.painting != *painting) {
            self.prepare(executable, output, painting).await?;
        }
        let Some(canvas) = &self.canvas else { return Ok(()) };
        let mut commands = self.gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor { label: None });
        let mut pass = commands.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
        pass.set_pipeline(&self.pipeline.pipeline);
        pass.set_bind_group(0, &canvas.bindings, &[]);
        let [x, y, z] = threads(painting.size[0] * painting.size[1]);
        pass.dispatch_workgroups(x, y, z);
        drop(pass);
        self.gpu.queue().submit([commands.finish()]);
        Ok(())
    }

    async fn prepare(&mut self, executable: &Executable, output: usize, painting: &Painting) -> Result<()> {
        let (kind, maps) = executable.source(output)?;
        let ([h, w], params) = params(kind, painting)?;
        let Painting { size: [height, width], view, palette, .. } = painting;
        let words = height.checked_mul(params.pitch as usize).filter(|&n| n > 0 && n <= u32::MAX as usize / 4);
        let words = words.ok_or_else(|| Error::invalid(format!("no picture has {width} x {height} pixels")))?;
        self.gpu.check_size(4 * words)?;
        if palette.len() != COLOURS {
            return Err(Error::mismatch("a palette of another size", COLOURS, palette.len()));
        }
        if !(view.width > 0.0 && view.height > 0.0) {
            return Err(Error::invalid(format!("the maps are of an empty part of the picture: {view:?}")));
        }
        // Where a pixel of the picture lies in the maps: the part of the maps that the whole picture is.
        let rows = taps(h, *height, -view.y * h as f32 / view.height, (*height * h) as f32 / view.height);
        let columns = taps(w, *width, -view.x * w as f32 / view.width, (*width * w) as f32 / view.width);
        let taps: Vec<Tap> = rows.chain(columns).collect();
        // What was painted on before is not needed any more, and may be large.
        self.canvas = None;
        let canvas = self.gpu.scoped(|| {
            let gpu = &self.gpu;
            let table = |data: &[u8], usage| filled(gpu, "paint", data, usage);
            let tables = [
                table(bytemuck::bytes_of(&params), wgpu::BufferUsages::UNIFORM),
                table(bytemuck::cast_slice(&taps), wgpu::BufferUsages::STORAGE),
                table(bytemuck::cast_slice(palette), wgpu::BufferUsages::STORAGE),
            ];
            let pixels = gpu.buffer("paint", 4 * words, wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC);
            let [params, taps, palette] = &tables;
            let entries: Vec<_> = (0..)
                .zip([params, maps, taps, palette, &pixels])
                .map(|(binding, buffer)| wgpu::BindGroupEntry { binding, resource: buffer.as_entire_binding() })
                .collect();
            let bindings = gpu.device().create_bind_group(&wgpu::BindGroupDescriptor {
                label: Some("paint"),
                layout: &self.pipeline.layout,
                entries: &entries,
            });
            let kind = TensorType { dtype: DType::I32, shape: Shape::from([words]) };
            let (painting, reading) = (painting.clone(), Cell::new(false));
            Ok(Canvas { output, painting, kind, tables, pixels, staging: None, reading, bindings })
        });
        self.canvas = Some(canvas.await?);
        Ok(())
    }

    /// The picture's RGBA bytes, row by row.
    pub async fn read(&mut self) -> Result<Vec<u8>> {
        let Some(canvas) = &mut self.canvas else { return Err(Error::invalid("nothing is painted yet")) };
        let usage = wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST;
        let bytes = canvas.pixels.size();
        let staging = canvas.staging.get_or_insert_with(|| self.gpu.buffer("paint", bytes as usize, usage));
        let mut commands = self.gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor { label: None });
        commands.copy_buffer_to_buffer(&canvas.pixels, 0, staging, 0, bytes);
        self.gpu.queue().submit([commands.finish()]);
        let words = Readback::start(&canvas.kind, staging, &canvas.reading)?.finish(&self.gpu).await?;
        let Data::I32(words) = words.data() else { return Err(Error::invalid("a picture is words")) };
        let width = canvas.painting.size[1];
        let rows = words.chunks(width.next_multiple_of(PITCH)).flat_map(|row| &row[..width]);
        Ok(rows.flat_map(|word| word.to_le_bytes()).collect())
    }

    /// The picture on the device, RGBA, and the bytes from row to row; nothing before the first.
    #[cfg(target_arch = "wasm32")]
    pub fn pixels(&self) -> Option<(&wgpu::Device, &wgpu::Buffer, usize)> {
        let canvas = self.canvas.as_ref()?;
        Some((self.gpu.device(), &canvas.pixels, 4 * canvas.painting.size[1].next_multiple_of(PITCH)))
    }
}

impl Drop for Canvas {
    fn drop(&mut self) {
        self.tables.iter().chain([&self.pixels]).chain(&self.staging).for_each(wgpu::Buffer::destroy);
    }
}

/// Height and width of the maps, and what the shader must know.
fn params(kind: &TensorType, painting: &Painting) -> Result<([usize; 2], Params)> {
    let Painting { size: [height, width], channels_first, hue, .. } = painting;
    let no_maps = || Error::mismatch("this output is no maps of one picture", "[1, height, width, channels]", kind);
    let [h, w, channels] = match kind.shape[..] {
        [1, c, h, w] if *channels_first => [h, w, c],
        [1, h, w, c] => [h, w, c],
        [1, h, w] => [h, w, 1],
        _ => return Err(no_maps()),
    };
    if h * w * channels == 0 {
        return Err(no_maps());
    }
    let (code, channel, low, high) = match *hue {
        Hue::Class(threshold) => (0, 0, threshold, f32::INFINITY),
        Hue::Index => (1, 0, 0.0, f32::INFINITY),
        Hue::Level(channel, [low, high]) => (2, channel, low, high),
        Hue::Share(channel, [low, high]) => (3, channel, low, high),
    };
    if channel >= channels {
        return Err(Error::mismatch("the output has no such channel", format!("below {channels}"), channel));
    }
    let first = kind.shape.len() == 4 && *channels_first;
    let (row, column, plane) = if first { (w, 1, h * w) } else { (w * channels, channels, 1) };
    let params = Params {
        size: [*height as u32, *width as u32],
        pitch: width.next_multiple_of(PITCH) as u32,
        kind: code,
        row: row as u32,
        column: column as u32,
        plane: plane as u32,
        channels: channels as u32,
        channel: channel as u32,
        integers: (kind.dtype != DType::F32) as u32,
        low,
        factor: 255.0 / (high - low),
    };
    Ok(([h, w], params))
}
