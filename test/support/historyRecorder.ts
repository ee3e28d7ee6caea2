/** Writes a history for the replay tests, when asked to by `C2D_RECORD_HISTORIES=1`. */

import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { WorkflowHandle } from '@temporalio/client';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';

/** Folder of the recorded histories. */
export const historiesFolder = new URL('../replay/histories/', import.meta.url);

const project = fileURLToPath(new URL('../../', import.meta.url));

/** Records how one path of a workflow went, under a name that says which. */
export const recordHistory = async (name: string, handle: WorkflowHandle): Promise<void> => {
  if (process.env.C2D_RECORD_HISTORIES !== '1') return;
  const history = await handle.fetchHistory();
  // stack traces name files of the project, wherever it lies
  const text = historyToJSON(history).replaceAll(project, '');
  await writeFile(new URL(`${name}.json`, historiesFolder), `${text}\n`);
};
