#!/usr/bin/env node
// Writes ../../BENCHMARKS.md again from the results in results/.
import { writeBenchmarks } from './src/results.js';

await writeBenchmarks();
