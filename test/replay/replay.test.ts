import { readFileSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { historyFromJSON } from '@temporalio/common/lib/proto-utils.js';
import { DefaultLogger, Runtime, Worker, bundleWorkflowCode, type WorkflowBundle } from '@temporalio/worker';
import { historiesFolder } from '../support/historyRecorder.ts';

const names = readdirSync(historiesFolder)
  .filter((file) => file.endsWith('.json'))
  .map((file) => file.slice(0, -'.json'.length));

/** Steps that wait for consumers' sources, the cluster, agents, the chain or an operator's server. */
const waitsForOthers =
  /^(validateOrder|createPod|stageInputs|runAlgorithm|publishOutputs|(lock|claim|release)Payment|publishAsset|postWebhook)$/;

describe("today's workflows replay recorded histories", () => {
  let workflowBundle: WorkflowBundle;
  beforeAll(async () => {
    Runtime.install({ logger: new DefaultLogger('ERROR') });
    workflowBundle = await bundleWorkflowCode({
      workflowsPath: fileURLToPath(new URL('../../workflows/index.ts', import.meta.url)),
      logger: new DefaultLogger('ERROR'),
    });
  }, 60_000);

  test('of every way a job can end', () => {
    expect(names).toEqual(
      expect.arrayContaining([
        'finished',
        'refused',
        'stoppedWhileRunning',
        'timedOut',
        'podLostOnce',
        'podLostForGood',
        'storageRefusedOnce',
      ]),
    );
  });

  test.each(names)('%s', async (name) => {
    const history = historyFromJSON(JSON.parse(readFileSync(new URL(`${name}.json`, historiesFolder), 'utf8')));
    await Worker.runReplayHistory({ workflowBundle }, history);
  });

  test.each(names)('in %s every step has a deadline (complaint: jobs stuck in a state for ever)', (name) => {
    const { events } = historyFromJSON(JSON.parse(readFileSync(new URL(`${name}.json`, historiesFolder), 'utf8')));
    const steps = (events ?? []).flatMap(({ activityTaskScheduledEventAttributes: step }) => (step ? [step] : []));
    for (const { activityType, scheduleToCloseTimeout, startToCloseTimeout } of steps) {
      const step = activityType?.name ?? '';
      const [whole = 0, attempt = 0] = [scheduleToCloseTimeout, startToCloseTimeout].map((timeout) => Number(timeout?.seconds ?? 0));
      expect({ step, hasDeadline: attempt > 0 }).toEqual({ step, hasDeadline: true });
      // the others must be done whatever happens: to tell an end, to take a pod away
      if (waitsForOthers.test(step)) expect({ step, endsSomeTime: whole > 0 }).toEqual({ step, endsSomeTime: true });
    }
  });

  test('and notice a workflow that has changed (complaint: workflows hang on non-determinism)', async () => {
    const text = readFileSync(new URL('finished.json', historiesFolder), 'utf8').replaceAll('"createPod"', '"makePod"');
    await expect(Worker.runReplayHistory({ workflowBundle }, historyFromJSON(JSON.parse(text)))).rejects.toThrow();
  });
});
