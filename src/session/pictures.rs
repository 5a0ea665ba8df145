//! Pictures that go into a network on the GPU, or come out of it, without their pixels passing through this program.

use super::{Compiled, Executable, Session};
use crate::backend::gpu::{Painter, Painting};
use crate::error::{Error, ErrorKind, Result};
use crate::tensor::Tensor;
#[cfg(target_arch = "wasm32")]
use crate::{
    backend::gpu::{ImageInput, Rectangle},
    tensor::TensorType,
};

/// What a network is run on.
pub enum Picture<'a> {
    /// Its inputs.
    Tensors(&'a [Tensor]),
    /// A picture that the browser holds, for a network of one input `[1, height, width, 3]`.
    #[cfg(target_arch = "wasm32")]
    Bitmap {
        /// The picture.
        bitmap: &'a web_sys::ImageBitmap,
        /// Height and width that the network wants it in.
        size: [usize; 2],
        /// The part of it that the network sees; all of it.
        part: Option<Rectangle>,
        /// The network wants `pixel * scale + offset`: scale and offset of red, green and blue.
        normalise: [[f32; 3]; 2],
    },
}

/// Writes the browser's pictures into an input, normalised like this.
#[cfg(target_arch = "wasm32")]
pub(super) struct Writer {
    input: ImageInput,
    normalise: [[f32; 3]; 2],
}

impl Session {
    /// As [`Session::run`] on the GPU.
    pub async fn run_picture(&mut self, picture: &Picture<'_>) -> Result<Vec<Tensor>> {
        self.start_picture(picture).await?;
        match self.outputs().await {
            Err(error) if error.kind() == ErrorKind::DeviceLost => {
                self.start_picture(picture).await?;
                self.outputs().await
            }
            result => result,
        }
    }

    /// Runs the network on the GPU and paints one of its outputs there; what painted it has the picture.
    pub async fn paint(&mut self, picture: &Picture<'_>, output: usize, painting: &Painting) -> Result<&mut Painter> {
        self.start_picture(picture).await?;
        match self.attempt_paint(output, painting).await {
            Err(error) if error.kind() == ErrorKind::DeviceLost => {
                self.start_picture(picture).await?;
                self.attempt_paint(output, painting).await?;
            }
            result => result?,
        }
        let painter = self.compiled.last_mut().and_then(|compiled| compiled.painter.as_mut());
        painter.ok_or_else(|| Error::invalid("nothing is painted"))
    }

    /// Starts a run; on a lost GPU it begins again on another.
    async fn start_picture(&mut self, picture: &Picture<'_>) -> Result<()> {
        match self.attempt_picture(picture).await {
            Err(error) if error.kind() == ErrorKind::DeviceLost => {
                self.renew(error).await?;
                self.attempt_picture(picture).await
            }
            result => result,
        }
    }

    async fn attempt_picture(&mut self, picture: &Picture<'_>) -> Result<()> {
        match *picture {
            Picture::Tensors(inputs) => self.attempt(inputs).await,
            #[cfg(target_arch = "wasm32")]
            Picture::Bitmap { bitmap, size: [height, width], part, normalise } => {
                self.compile(&[TensorType::f32([1, height, width, 3])], &mut |_| ()).await?;
                let Some(Compiled { executable: Executable::Gpu(executable), picture, .. }) = self.compiled.last_mut()
                else {
                    return Err(only_gpu());
                };
                let mut writer = match picture.take() {
                    Some(writer) if writer.normalise == normalise => writer,
                    _ => {
                        let [scale, offset] = normalise.map(|[r, g, b]| [r, g, b, 0.0]);
                        Writer { input: ImageInput::new(executable, 0, scale, offset).await?, normalise }
                    }
                };
                let size = [bitmap.height() as usize, bitmap.width() as usize];
                let source = wgpu::ExternalImageSource::ImageBitmap(bitmap.clone());
                writer.input.write_external(source, size, part)?;
                *picture = Some(writer);
                executable.run()
            }
        }
    }

    async fn attempt_paint(&mut self, output: usize, painting: &Painting) -> Result<()> {
        let Some(Compiled { executable: Executable::Gpu(executable), painter, .. }) = self.compiled.last_mut() else {
            return Err(only_gpu());
        };
        let mut artist = match painter.take() {
            Some(artist) => artist,
            None => Painter::new(executable).await?,
        };
        let result = artist.paint(executable, output, painting).await;
        *painter = Some(artist);
        result
    }
}

fn only_gpu() -> Error {
    Error::invalid("only a GPU takes the browser's pictures, and makes some")
}
