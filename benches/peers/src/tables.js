// Markdown, as all reports have it.
export const ms = (x) => (x < 10 ? x.toFixed(2) : x < 100 ? x.toFixed(1) : x.toFixed(0));
const row = (cells) => `| ${cells.join(' | ')} |`;
export const table = (head, rows) => [row(head), row(head.map((_, i) => (i ? '---:' : '---'))), ...rows.map(row)].join('\n');

/** When and where results were measured. */
export const where = (r) => {
  const adapter = r.environment?.webgpu;
  return `${r.date.slice(0, 10)}, ${r.machine.cores} cores (${r.machine.cpu}), Chromium ${r.chromium}`
    + `${adapter ? `, WebGPU adapter ${adapter.vendor} ${adapter.architecture}` : ''}`;
};
