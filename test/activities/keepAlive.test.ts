import { MockActivityEnvironment } from '@temporalio/testing';
import { keepAlive } from '../../activities/keepAlive.ts';

describe('keepAlive', () => {
  test('beats with the newest details while work goes on, and never after it', async () => {
    const environment = new MockActivityEnvironment();
    const beats: unknown[] = [];
    const work = Promise.withResolvers<string>();
    environment.on('heartbeat', (details: unknown) => {
      beats.push(details);
      if (beats.length === 2) work.resolve('done');
    });
    let beat = 0;
    expect(
      await environment.run(() =>
        keepAlive(
          () => work.promise,
          () => (beat += 1),
        ),
      ),
    ).toBe('done');
    expect(beats).toEqual([1, 2]);
  });

  test('passes a failure on', async () => {
    await expect(new MockActivityEnvironment().run(() => keepAlive(() => Promise.reject(new Error('broken'))))).rejects.toThrow('broken');
  });
});
