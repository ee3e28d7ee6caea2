/** Run as a program: bundles the workflows into the file that its argument names, so that orchestrators start at once. */

import { writeFile } from 'node:fs/promises';
import { failureConverterPath } from '../temporal/connect.ts';
import { bundleWorkflows } from '../../workers/orchestrator/worker.ts';

const [target] = process.argv.slice(2);
if (target === undefined) throw new Error('usage: bundleWorkflows.ts <file>');
const { code } = await bundleWorkflows(failureConverterPath);
await writeFile(target, code);
// webpack's file watchers and workers must not keep the program alive
process.exit();
