//! Pipelines, built once for each variant and kept for the life of the device.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use super::Gpu;
use super::variant::{Binding, Variant, bindings};
use crate::error::{Error, Result};

/// A pipeline with what is needed to bind to it.
pub(super) struct Pipeline {
    pub pipeline: wgpu::ComputePipeline,
    pub layout: wgpu::BindGroupLayout,
    pub bindings: Vec<Binding>,
}

/// The cache: pipelines by variant, layouts by what is bound.
#[derive(Default)]
pub(super) struct Pipelines {
    pipelines: RefCell<HashMap<Variant, Rc<Pipeline>>>,
    layouts: RefCell<HashMap<Vec<Binding>, Layout>>,
}

/// A variant's shader, not compiled yet.
struct Shader<'a> {
    variant: &'a Variant,
    source: String,
    bindings: Vec<Binding>,
}

type Layout = (wgpu::BindGroupLayout, wgpu::PipelineLayout);

impl Gpu {
    /// The pipelines of these variants, in order; new ones are built now. `progress` hears of every one, as `(done, of)`.
    /// An error comes with the position of the variant it is about.
    ///
    /// wgpu has no asynchronous creation on the web (gfx-rs/wgpu#3794). Waiting for the device after each pipeline gives the
    /// page its turns. Asking the browser for the same pipelines beforehand with `createComputePipelineAsync`, so that
    /// its cache would answer wgpu, showed no gain in the one measurement made: 26 s instead of 16 s for the small networks
    /// of the conformance list (Chromium 156, SwiftShader, two crowded cores).
    pub(super) async fn pipelines(
        &self,
        variants: &[&Variant],
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<Vec<Rc<Pipeline>>, (usize, Error)> {
        let known = |variant: &Variant| self.0.pipelines.pipelines.borrow().get(variant).cloned();
        let mut shaders = Vec::new();
        for (i, &variant) in variants.iter().enumerate().filter(|(_, v)| known(v).is_none()) {
            let source = variant.source().map_err(|e| (i, e))?;
            let bindings = bindings(&source).map_err(|e| (i, e))?;
            shaders.push((i, Shader { variant, source, bindings }));
        }
        let count = shaders.len();
        if count > 0 {
            progress(0, count);
        }
        for (done, (i, shader)) in shaders.into_iter().enumerate() {
            let variant = shader.variant.clone();
            let pipeline = self.scoped(|| Ok(self.build(shader))).await.map_err(|e| (i, e))?;
            self.0.pipelines.pipelines.borrow_mut().insert(variant, Rc::new(pipeline));
            progress(done + 1, count);
        }
        let built = |(i, variant): (usize, &&Variant)| {
            known(variant).ok_or_else(|| (i, Error::invalid("a pipeline was not built")))
        };
        variants.iter().enumerate().map(built).collect()
    }

    fn build(&self, shader: Shader) -> Pipeline {
        let Shader { variant, source, bindings } = shader;
        let (layout, pipeline_layout) = self.layout(&bindings);
        let label = Some(variant.file());
        let module = self.device().create_shader_module(wgpu::ShaderModuleDescriptor {
            label,
            source: wgpu::ShaderSource::Wgsl(source.into()),
        });
        let pipeline = self.device().create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label,
            layout: Some(&pipeline_layout),
            module: &module,
            entry_point: Some("main"),
            // WebGPU clears workgroup memory; every kernel writes what it reads, so native devices need not.
            compilation_options: wgpu::PipelineCompilationOptions {
                zero_initialize_workgroup_memory: false,
                ..Default::default()
            },
            cache: None,
        });
        Pipeline { pipeline, layout, bindings }
    }

    fn layout(&self, bindings: &[Binding]) -> Layout {
        let entry = |(binding, kind): (usize, &Binding)| wgpu::BindGroupLayoutEntry {
            binding: binding as u32,
            visibility: wgpu::ShaderStages::COMPUTE,
            ty: match kind {
                Binding::Texture => wgpu::BindingType::Texture {
                    sample_type: wgpu::TextureSampleType::Float { filterable: false },
                    view_dimension: wgpu::TextureViewDimension::D2,
                    multisampled: false,
                },
                _ => wgpu::BindingType::Buffer {
                    ty: match kind {
                        Binding::Uniform => wgpu::BufferBindingType::Uniform,
                        _ => wgpu::BufferBindingType::Storage { read_only: *kind == Binding::Read },
                    },
                    has_dynamic_offset: false,
                    min_binding_size: None,
                },
            },
            count: None,
        };
        let make = || {
            let entries: Vec<_> = bindings.iter().enumerate().map(entry).collect();
            let descriptor = wgpu::BindGroupLayoutDescriptor { label: None, entries: &entries };
            let group = self.device().create_bind_group_layout(&descriptor);
            let pipeline = self.device().create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
                label: None,
                bind_group_layouts: &[Some(&group)],
                immediate_size: 0,
            });
            (group, pipeline)
        };
        self.0.pipelines.layouts.borrow_mut().entry(bindings.to_vec()).or_insert_with(make).clone()
    }
}
