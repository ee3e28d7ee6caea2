/** Between the algorithm's end and the first upload: the filters have the outputs. */

import type { PublishDeps } from './publish.ts';
import { runFilters, type OpenFilter } from './filters.ts';
import { scanOutputs } from './outputs.ts';
import { enterPhase } from './progress.ts';

type FilteringDeps = Pick<PublishDeps, 'dataFolder' | 'plan' | 'stateFile' | 'progress' | 'events'>;

/** After the call the filters have judged whatever could leave, and what they said is in the state. */
export const filterOutputs = async (
  filters: readonly OpenFilter[],
  { dataFolder, plan, stateFile, progress, events }: FilteringDeps,
): Promise<void> => {
  if (filters.length === 0) return;
  const { outputBytes, outputFiles } = plan.limits;
  const { files, exceeded } = await scanOutputs(`${dataFolder}/outputs`, { maxBytes: outputBytes, maxFiles: outputFiles });
  if (files.length === 0 || exceeded !== undefined) return;
  enterPhase(progress, 'publishOutputs');
  progress.filtering = true;
  void events.flush();
  stateFile.state.filtered = await runFilters(filters);
  stateFile.save();
};
