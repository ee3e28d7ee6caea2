import { pullProgress } from '../../../infra/pods/dockerImages.ts';

describe('pullProgress', () => {
  test('adds up the layers, and counts a finished one in full (complaint: no progress of image pulls)', () => {
    const line = pullProgress();
    expect(line({ status: 'Pulling from library/node' })).toBe('pulling image');
    expect(line({ id: 'a', status: 'Downloading', progressDetail: { current: 10_000_000, total: 50_000_000 } })).toBe(
      'pulling image: 10 of 50 MB',
    );
    expect(line({ id: 'b', status: 'Downloading', progressDetail: { current: 5_000_000, total: 25_000_000 } })).toBe(
      'pulling image: 15 of 75 MB',
    );
    expect(line({ id: 'a', status: 'Download complete' })).toBe('pulling image: 55 of 75 MB');
    expect(line({ id: 'c', status: 'Download complete' })).toBe('pulling image: 55 of 75 MB');
  });
});
