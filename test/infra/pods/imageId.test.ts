import { withImage } from '../../../infra/pods/imageId.ts';
import type { PodOutcome } from '../../../workflows/contract/pod.ts';

const hex = 'ab'.repeat(32);
const alive: PodOutcome = { kind: 'alive' };

describe('the image of a pod', () => {
  test.each([
    ['Docker names an id', `sha256:${hex}`],
    ['Podman leaves the algorithm out', hex],
    ['a kubelet names a digest behind the image', `docker.io/library/node@sha256:${hex}`],
  ])('is one word where %s', (_what, imageId) => {
    expect(withImage(alive, imageId)).toEqual({ kind: 'alive', image: `sha256:${hex}` });
  });

  test.each([[undefined], [''], ['docker.io/library/node:24'], [`sha256:${hex}00`]])('is not told by %p', (imageId) => {
    expect(withImage(alive, imageId)).toEqual(alive);
  });

  test('is told by a pod whose agent has ended, and not by one that never ran', () => {
    const lost: PodOutcome = { kind: 'lost', reason: 'the agent has ended' };
    expect(withImage(lost, hex)).toEqual({ ...lost, image: `sha256:${hex}` });
    const failed: PodOutcome = { kind: 'failed', type: 'ImageUnavailable', message: 'no' };
    expect(withImage(failed, hex)).toBe(failed);
  });
});
