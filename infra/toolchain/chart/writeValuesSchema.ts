/** Run as a program after a change of the service's configuration: writes the chart's `values.schema.json` anew. */

import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { valuesSchema } from './valuesSchema.ts';

const file = path.resolve(import.meta.dirname, '../../helm/durable-c2d/values.schema.json');
await writeFile(file, `${JSON.stringify(valuesSchema(), null, 2)}\n`);
