//! From a picture to an executable's input without leaving the device.

use std::rc::Rc;

use bytemuck::{Pod, Zeroable};

use super::lower::threads;
use super::pipelines::Pipeline;
use super::variant::{Defines, Kernel, Variant};
use super::{Executable, Gpu};
use crate::error::{Error, Result};
use crate::tensor::DType;

/// The picture shader; there is one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ImageKey;

impl Kernel for ImageKey {
    fn file(&self) -> &'static str {
        "image.wgsl"
    }
    fn defines(&self) -> Defines {
        Vec::new()
    }
    fn all() -> Vec<Self> {
        vec![ImageKey]
    }
}

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    size: [u32; 2],
    channels: u32,
    _pad: u32,
    scale: [f32; 4],
    offset: [f32; 4],
}

/// One output row or column: both pixels and the weight of the second.
#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
pub(super) struct Tap {
    low: u32,
    high: u32,
    weight: f32,
    _pad: u32,
}

/// A part of a picture, in pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rectangle {
    /// Left edge.
    pub x: f32,
    /// Top edge.
    pub y: f32,
    /// Width.
    pub width: f32,
    /// Height.
    pub height: f32,
}

/// Writes pictures into one input `[1, height, width, channels]` (float32; 1, 3 or 4 channels) of an executable:
/// `value = pixel * scale + offset` for each channel, pixels 0..=255, stretched to the input's size with half-pixel
/// bilinear interpolation.
///
/// The texture is kept while pictures have one size, so a camera's frames create nothing.
pub struct ImageInput {
    gpu: Gpu,
    pipeline: Rc<Pipeline>,
    size: [usize; 2],
    input: wgpu::Buffer,
    params: wgpu::Buffer,
    taps: wgpu::Buffer,
    picture: Option<Picture>,
}

struct Picture {
    texture: wgpu::Texture,
    bindings: wgpu::BindGroup,
    /// The part the taps were made for.
    part: Option<Rectangle>,
}

impl ImageInput {
    /// For input `index` of an executable. `scale` and `offset` are for red, green, blue, alpha.
    pub async fn new(executable: &Executable, index: usize, scale: [f32; 4], offset: [f32; 4]) -> Result<ImageInput> {
        let gpu = executable.gpu();
        let (kind, input) = executable.input(index)?;
        let [_, height, width, channels] = match kind.shape[..] {
            [1, h, w, c @ (1 | 3 | 4)] if kind.dtype == DType::F32 => [1, h, w, c],
            _ => {
                let wanted = "float32 [1, height, width, 1, 3 or 4]";
                return Err(Error::mismatch("the input takes no pictures", wanted, kind));
            }
        };
        let params = Params { size: [height as u32, width as u32], channels: channels as u32, _pad: 0, scale, offset };
        let mut built = gpu.pipelines(&[&Variant::Image(ImageKey)], &mut |_, _| ()).await.map_err(|(_, e)| e)?;
        let pipeline = built.remove(0);
        gpu.scoped(|| {
            let copied = wgpu::BufferUsages::COPY_DST;
            let uniforms = gpu.buffer("picture", size_of::<Params>(), wgpu::BufferUsages::UNIFORM | copied);
            gpu.queue().write_buffer(&uniforms, 0, bytemuck::bytes_of(&params));
            let bytes = (height + width) * size_of::<Tap>();
            let taps = gpu.buffer("picture", bytes, wgpu::BufferUsages::STORAGE | copied);
            let (gpu, input, size) = (gpu.clone(), input.clone(), [height, width]);
            Ok(ImageInput { gpu, pipeline, size, input, params: uniforms, taps, picture: None })
        })
        .await
    }

    /// Writes a picture of `size` = `[height, width]` pixels from RGBA bytes, or the given part of it.
    pub fn write_rgba(&mut self, rgba: &[u8], size: [usize; 2], part: Option<Rectangle>) -> Result<()> {
        let [height, width] = size;
        if rgba.len() != height * width * 4 {
            let wanted = format!("{} bytes", height * width * 4);
            return Err(Error::mismatch("the picture has another size", wanted, format!("{} bytes", rgba.len())));
        }
        self.prepare(size, part)?;
        let Some(picture) = &self.picture else { return Ok(()) };
        let layout = wgpu::TexelCopyBufferLayout {
            offset: 0,
            bytes_per_row: Some(width as u32 * 4),
            rows_per_image: Some(height as u32),
        };
        self.gpu.queue().write_texture(picture.texture.as_image_copy(), rgba, layout, extent(size));
        self.run();
        Ok(())
    }

    /// Writes a picture that the browser holds (an `ImageBitmap`, a `VideoFrame`, a canvas...), or the given part of it,
    /// without its pixels passing through this program. A video element must have data.
    #[cfg(target_arch = "wasm32")]
    pub fn write_external(
        &mut self,
        source: wgpu::ExternalImageSource,
        size: [usize; 2],
        part: Option<Rectangle>,
    ) -> Result<()> {
        self.prepare(size, part)?;
        let Some(picture) = &self.picture else { return Ok(()) };
        let source = wgpu::CopyExternalImageSourceInfo { source, origin: wgpu::Origin2d::ZERO, flip_y: false };
        let to = wgpu::CopyExternalImageDestInfo {
            texture: &picture.texture,
            mip_level: 0,
            origin: wgpu::Origin3d::ZERO,
            aspect: wgpu::TextureAspect::All,
            color_space: wgpu::PredefinedColorSpace::Srgb,
            premultiplied_alpha: false,
        };
        self.gpu.queue().copy_external_image_to_texture(&source, to, extent(size));
        self.run();
        Ok(())
    }

    /// A texture of this size and the taps of this part.
    fn prepare(&mut self, size: [usize; 2], part: Option<Rectangle>) -> Result<()> {
        self.gpu.check()?;
        let [height, width] = size;
        if height == 0 || width == 0 {
            return Err(Error::mismatch(
                "the picture is empty",
                "at least 1 x 1 pixels",
                format!("{width} x {height}"),
            ));
        }
        let most = self.gpu.device().limits().max_texture_dimension_2d as usize;
        if height.max(width) > most {
            let message = format!("a picture of {width} x {height} pixels is too large for this GPU (at most {most})");
            return Err(Error::resource(message));
        }
        let old = self.picture.as_ref().map(|p| p.texture.size());
        if old != Some(extent(size)) {
            if let Some(picture) = self.picture.take() {
                picture.texture.destroy();
            }
            self.picture = Some(self.picture(size));
        }
        let whole = Rectangle { x: 0.0, y: 0.0, width: width as f32, height: height as f32 };
        let part = part.unwrap_or(whole);
        if !(part.width > 0.0 && part.height > 0.0) {
            return Err(Error::invalid(format!("an empty part of the picture: {part:?}")));
        }
        let Some(picture) = &mut self.picture else { return Ok(()) };
        if picture.part != Some(part) {
            let rows = taps(height, self.size[0], part.y, part.height);
            let columns = taps(width, self.size[1], part.x, part.width);
            let table: Vec<Tap> = rows.chain(columns).collect();
            self.gpu.queue().write_buffer(&self.taps, 0, bytemuck::cast_slice(&table));
            picture.part = Some(part);
        }
        Ok(())
    }

    fn picture(&self, size: [usize; 2]) -> Picture {
        let texture = self.gpu.device().create_texture(&wgpu::TextureDescriptor {
            label: Some("picture"),
            size: extent(size),
            mip_level_count: 1,
            sample_count: 1,
            dimension: wgpu::TextureDimension::D2,
            format: wgpu::TextureFormat::Rgba8Unorm,
            // Browsers copy external images by rendering.
            usage: wgpu::TextureUsages::TEXTURE_BINDING
                | wgpu::TextureUsages::COPY_DST
                | wgpu::TextureUsages::RENDER_ATTACHMENT,
            view_formats: &[],
        });
        let view = texture.create_view(&wgpu::TextureViewDescriptor::default());
        let resources = [
            self.params.as_entire_binding(),
            wgpu::BindingResource::TextureView(&view),
            self.taps.as_entire_binding(),
            self.input.as_entire_binding(),
        ];
        let entries: Vec<_> =
            (0..).zip(resources).map(|(binding, resource)| wgpu::BindGroupEntry { binding, resource }).collect();
        let bindings = self.gpu.device().create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some("picture"),
            layout: &self.pipeline.layout,
            entries: &entries,
        });
        Picture { texture, bindings, part: None }
    }

    fn run(&self) {
        let Some(picture) = &self.picture else { return };
        let mut commands = self.gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor { label: None });
        let mut pass = commands.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
        pass.set_pipeline(&self.pipeline.pipeline);
        pass.set_bind_group(0, &picture.bindings, &[]);
        let [x, y, z] = threads(self.size[0] * self.size[1]);
        pass.dispatch_workgroups(x, y, z);
        drop(pass);
        self.gpu.queue().submit([commands.finish()]);
    }
}

impl Drop for ImageInput {
    fn drop(&mut self) {
        self.params.destroy();
        self.taps.destroy();
        if let Some(picture) = &self.picture {
            picture.texture.destroy();
        }
    }
}

fn extent([height, width]: [usize; 2]) -> wgpu::Extent3d {
    wgpu::Extent3d { width: width as u32, height: height as u32, depth_or_array_layers: 1 }
}

/// Where the `output` rows (or columns) of a part lie in a picture of `input` ones: half-pixel centres, clamped. In double
/// precision, as the CPU's resizing has it.
pub(super) fn taps(input: usize, output: usize, start: f32, length: f32) -> impl Iterator<Item = Tap> {
    let (start, scale, last) = (start as f64, length as f64 / output as f64, (input - 1) as f64);
    (0..output).map(move |o| {
        let at = (start + (o as f64 + 0.5) * scale - 0.5).clamp(0.0, last);
        let low = at.floor();
        Tap { low: low as u32, high: (low + 1.0).min(last) as u32, weight: (at - low) as f32, _pad: 0 }
    })
}
