import { endAtOnce, endBeforeRun, endUnheard, followEnding, rememberAnswers, whileAskingForLooks } from '../../../workers/agent/cluster.ts';
import { JobOver, Refused } from '../../../workers/agent/http.ts';
import { startAgentHarness, type AgentHarness } from './agentHarness.ts';

let harness: AgentHarness;

beforeEach(async () => {
  harness = await startAgentHarness();
});

afterEach(() => harness.close());

const aLife = (graceSeconds = 0.05) => {
  const ending = new AbortController();
  let heardAtMs = Date.now();
  return {
    end: () => ending.abort(),
    hear: () => void (heardAtMs = Date.now()),
    life: { graceSeconds, ending: ending.signal, heardAtMs: () => heardAtMs },
  };
};
const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

describe('a pod that is being ended', () => {
  test('ends at once before anything is known, and only then', async () => {
    const { life, end } = aLife();
    const ended = endAtOnce(life);
    await expect(Promise.race([ended, pause(50).then(() => 'goes on')])).resolves.toBe('goes on');
    end();
    await expect(ended).rejects.toBeInstanceOf(JobOver);
  });

  test('has itself looked at before its algorithm has begun, and ends', async () => {
    const { life, end } = aLife();
    const ended = endBeforeRun(harness.gateway, life, () => false);
    end();
    await expect(ended).rejects.toBeInstanceOf(JobOver);
    expect(harness.server.reports).toMatchObject([{ outcome: 'failed', phase: 'stageInputs', type: 'PodChanged', retryable: true }]);
  });

  test('is not kept by a gateway that never answers, but by one that does', async () => {
    const { life, end, hear } = aLife();
    const ended = endUnheard(life, 400);
    ended.catch(() => undefined);
    await pause(500);
    end();
    for (let n = 0; n < 8; n += 1) {
      hear();
      await expect(Promise.race([ended, pause(100).then(() => 'goes on')])).resolves.toBe('goes on');
    }
    await expect(ended).rejects.toBeInstanceOf(JobOver);
  });

  test('tells of it at once, kills the algorithm after its grace, and publishes when that is asked for', async () => {
    harness.server.attempt = 0;
    const { life, end } = aLife();
    const kills: number[] = [];
    const ending = followEnding(harness.gateway, life, { hasEnded: () => false, kill: () => kills.push(Date.now()) });
    let asked = false;
    void ending.publishingAwaited.then(() => (asked = true));
    expect(ending.wasFirst()).toBe(false);
    const endedAtMs = Date.now();
    end();
    expect(await harness.server.untilReport('runAlgorithm')).toEqual({ outcome: 'exitUnknown', phase: 'runAlgorithm' });
    await pause(100);
    expect([ending.wasFirst(), asked, kills.length]).toEqual([true, false, 1]);
    expect(kills[0]! - endedAtMs).toBeGreaterThanOrEqual(40);
    harness.server.attempt = 5;
    await ending.publishingAwaited;
  });

  test('leaves a run at once, whatever still hangs in it, when the job goes on elsewhere', async () => {
    harness.server.attempt = 0;
    const { life, end } = aLife();
    const ending = followEnding(harness.gateway, life, { hasEnded: () => false, kill: () => undefined });
    end();
    await harness.server.untilReport('runAlgorithm');
    await expect(Promise.race([ending.notNeeded, pause(100).then(() => 'goes on')])).resolves.toBe('goes on');
    harness.server.over = true;
    await expect(ending.notNeeded).rejects.toBeInstanceOf(JobOver);
  });

  test('changes nothing for an algorithm that had ended before: its exit counts', async () => {
    const { life, end } = aLife();
    const ending = followEnding(harness.gateway, life, { hasEnded: () => true, kill: () => expect(true).toBe(false) });
    end();
    await ending.publishingAwaited;
    await pause(100);
    expect(ending.wasFirst()).toBe(false);
    expect(harness.server.reports).toEqual([]);
  });
});

test('an algorithm that does not come has its pod looked at', async () => {
  const came = Promise.withResolvers<string>();
  const arrived = whileAskingForLooks(harness.gateway, came.promise);
  expect(await harness.server.untilReport('stageInputs', 8_000)).toMatchObject({ outcome: 'failed', type: 'PodChanged', retryable: true });
  came.resolve('here');
  expect(await arrived).toBe('here');
});

test.each<[string, () => Promise<never>, boolean]>([
  ['a refusal is an answer', async () => Promise.reject(new Refused(503, { type: '', message: '', retryable: true }, undefined)), true],
  ['silence is none', async () => Promise.reject(new Error('socket hang up')), false],
])('%s', async (_what, send, isHeard) => {
  const remembered = rememberAnswers(send);
  const before = remembered.heardAtMs();
  await pause(20);
  await expect(remembered.send({ method: 'GET', path: '/plan' })).rejects.toThrow();
  expect(remembered.heardAtMs() > before).toBe(isHeard);
});
