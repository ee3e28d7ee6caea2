import { readFileSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { historyFromJSON } from '@temporalio/common/lib/proto-utils.js';
import { DefaultLogger, Runtime, Worker, bundleWorkflowCode, type WorkflowBundle } from '@temporalio/worker';
import { historiesFolder } from '../support/historyRecorder.ts';

const names = readdirSync(historiesFolder)
  .filter((file) => file.endsWith('.json'))
  .map((file) => file.slice(0, -'.json'.length));

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

  test('and notice a workflow that has changed', async () => {
    const text = readFileSync(new URL('finished.json', historiesFolder), 'utf8').replaceAll('"createPod"', '"makePod"');
    await expect(Worker.runReplayHistory({ workflowBundle }, historyFromJSON(JSON.parse(text)))).rejects.toThrow();
  });
});
