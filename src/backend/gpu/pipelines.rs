//! Pipelines, built once for each variant and kept for the life of the device.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use super::variant::{Binding, Variant, bindings};
use super::{Gpu, lock};
use crate::error::Result;

/// A pipeline with what is needed to bind to it.
pub(super) struct Pipeline {
    pub pipeline: wgpu::ComputePipeline,
    pub layout: wgpu::BindGroupLayout,
    pub bindings: Vec<Binding>,
}

/// The cache: pipelines by variant, layouts by what is bound.
#[derive(Default)]
pub(super) struct Pipelines {
    pipelines: Mutex<HashMap<Variant, Arc<Pipeline>>>,
    layouts: Mutex<HashMap<Vec<Binding>, Layout>>,
}

type Layout = (wgpu::BindGroupLayout, wgpu::PipelineLayout);

impl Gpu {
    /// The pipeline of a variant, built now if it is new.
    pub(super) async fn pipeline(&self, variant: &Variant) -> Result<Arc<Pipeline>> {
        let cache = &self.0.pipelines;
        if let Some(pipeline) = lock(&cache.pipelines).get(variant) {
            return Ok(pipeline.clone());
        }
        let source = variant.source()?;
        let bindings = bindings(&source)?;
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
        let pipeline = Arc::new(Pipeline { pipeline, layout, bindings });
        lock(&cache.pipelines).insert(variant.clone(), pipeline.clone());
        Ok(pipeline)
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
        lock(&self.0.pipelines.layouts).entry(bindings.to_vec()).or_insert_with(make).clone()
    }
}
