//! Reads PNG files.

/// Width, height, and red, green and blue of each pixel, 8 bits each; alpha is passed over.
pub fn rgb(file: &[u8]) -> Result<(usize, usize, Vec<u8>), String> {
    let mut decoder = png::Decoder::new(std::io::Cursor::new(file));
    decoder.set_transformations(png::Transformations::normalize_to_color8());
    let mut reader = decoder.read_info().map_err(|e| e.to_string())?;
    let mut bytes = vec![0; reader.output_buffer_size().ok_or("the picture is too large")?];
    let info = reader.next_frame(&mut bytes).map_err(|e| e.to_string())?;
    let samples = info.color_type.samples();
    let colours = |p: &[u8]| if samples < 3 { [p[0]; 3] } else { [p[0], p[1], p[2]] };
    let pixels = bytes[..info.buffer_size()].chunks(samples).flat_map(colours).collect();
    Ok((info.width as usize, info.height as usize, pixels))
}
