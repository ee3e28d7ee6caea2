import { ActivityNotFoundError } from '@temporalio/client';
import { onceForEachPod } from '../../../activities/noteImage.ts';
import { createPodWatch } from '../../../workers/orchestrator/podWatch.ts';
import type { PodOutcome } from '../../../workflows/contract/pod.ts';

const pod = { jobId: 'a'.repeat(32), podAttempt: 2 };
const waiting = (text: string): PodOutcome => ({ kind: 'alive', waiting: text });

/** A watch and what it had looked at again. */
const aWatch = (answer: () => Promise<void> = async () => undefined) => {
  const looks: string[] = [];
  const problems: unknown[] = [];
  const images: string[] = [];
  const onChange = createPodWatch({
    activity: {
      async fail({ workflowId, activityId }, failure) {
        expect(workflowId).toBe(`c2d-job/${pod.jobId}`);
        expect(failure).toMatchObject({ type: 'PodChanged', nonRetryable: false, nextRetryDelay: '1ms' });
        looks.push(activityId);
        await answer();
      },
    },
    images: onceForEachPod({
      async recordImage({ image }) {
        images.push(image);
        await answer();
      },
    }),
    onProblem: (err) => problems.push(err),
  });
  return { onChange, looks, problems, images };
};

describe('createPodWatch', () => {
  test.each<[string, PodOutcome, readonly string[]]>([
    ['a pod that is well', { kind: 'alive' }, []],
    ['a pod that waits for something', waiting('waiting for a node: Insufficient cpu'), ['stageInputs/2']],
    [
      'a pod that is being taken down, which may still publish',
      { kind: 'alive', ending: 'it is being deleted' },
      ['stageInputs/2', 'runAlgorithm/2'],
    ],
    [
      'a pod whose node does not answer',
      { kind: 'alive', doubt: 'its node does not answer any more' },
      ['stageInputs/2', 'runAlgorithm/2', 'publishOutputs/2'],
    ],
    ['a lost pod', { kind: 'lost', reason: 'the pod is gone' }, ['stageInputs/2', 'runAlgorithm/2', 'publishOutputs/2']],
    [
      'a pod that will never run',
      { kind: 'failed', type: 'ImageUnavailable', message: 'no' },
      ['stageInputs/2', 'runAlgorithm/2', 'publishOutputs/2'],
    ],
    [
      'an algorithm that has ended: its agent knows first',
      { kind: 'ended', exitCode: 0, oomKilled: false, startedAtMs: 1, finishedAtMs: 2 },
      [],
    ],
  ])('%s', (_what, outcome, expected) => {
    const { onChange, looks } = aWatch();
    onChange(pod, outcome);
    expect(looks).toEqual(expected);
  });

  test('a pod tells once which image it runs, also with its last word', () => {
    const { onChange, images } = aWatch();
    const ended: PodOutcome = { kind: 'ended', exitCode: 0, oomKilled: false, startedAtMs: 1, finishedAtMs: 2, image: 'sha256:1' };
    onChange(pod, { kind: 'alive' });
    expect(images).toEqual([]);
    for (const outcome of [ended, ended]) onChange(pod, outcome);
    expect(images).toEqual(['sha256:1']);
  });

  test('only news is worth a look', () => {
    const { onChange, looks } = aWatch();
    for (const text of ['no node', 'no node', 'no image', 'no image']) onChange(pod, waiting(text));
    onChange(pod, { kind: 'alive' });
    onChange(pod, waiting('no image'));
    onChange(pod, { kind: 'lost', reason: 'the agent has ended' });
    onChange(pod, { kind: 'lost', reason: 'the pod is gone' });
    expect(looks).toEqual(['stageInputs/2', 'stageInputs/2', 'stageInputs/2', 'stageInputs/2', 'runAlgorithm/2', 'publishOutputs/2']);
  });

  test('a phase in which nobody waits is no problem, a server that is away is told', async () => {
    const nobody = aWatch(async () => Promise.reject(new ActivityNotFoundError('nobody')));
    nobody.onChange(pod, waiting('x'));
    const away = aWatch(async () => Promise.reject(new Error('away')));
    away.onChange(pod, waiting('x'));
    await new Promise((resolve) => setImmediate(resolve));
    expect([nobody.problems, away.problems]).toEqual([[], [new Error('away')]]);
  });
});
