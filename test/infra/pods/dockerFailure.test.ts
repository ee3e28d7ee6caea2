import { dockerFailure, hasStatus, isNameConflict, type DockerStep } from '../../../infra/pods/dockerFailure.ts';
import { isJobFailure, JobFailure, type FailureType } from '../../../workflows/contract/failures.ts';

const engineError = (message: string, statusCode?: number, code?: string): Error =>
  Object.assign(new Error(message), { ...(statusCode !== undefined && { statusCode }), ...(code !== undefined && { code }) });

describe('dockerFailure', () => {
  test.each<[string, Error, DockerStep, FailureType, number | undefined]>([
    ['no engine', engineError('connect ENOENT /x.sock', undefined, 'ENOENT'), 'create', 'RuntimeUnavailable', 5],
    ['an engine that restarts', engineError('socket hang up', undefined, 'ECONNRESET'), 'pull', 'RuntimeUnavailable', 5],
    ['a full disk', engineError('write /x: no space left on device', 500), 'pull', 'RuntimeUnavailable', 60],
    ['a rate limit', engineError('toomanyrequests: You have reached your pull rate limit', 500), 'pull', 'ImagePullFailed', 60],
    ['a rate limit by number', engineError('slow down', 429), 'pull', 'ImagePullFailed', 60],
    ['a bad name', engineError('invalid reference format: repository name must be lowercase', 400), 'pull', 'ImageUnavailable', undefined],
    [
      'another processor',
      engineError('no matching manifest for linux/amd64 in the manifest list entries'),
      'pull',
      'ImageUnavailable',
      undefined,
    ],
    ['no such tag', engineError('manifest for node:nope not found: manifest unknown'), 'pull', 'ImageUnavailable', undefined],
    [
      'no such repository',
      engineError('pull access denied for x, repository does not exist or may require docker login', 404),
      'pull',
      'ImageUnavailable',
      undefined,
    ],
    ['a private image', engineError('unauthorized: authentication required'), 'pull', 'ImageUnavailable', undefined],
    ['a registry that is away', engineError('Get "x": dial tcp: lookup registry: no such host', 500), 'pull', 'ImagePullFailed', 15],
    ['a registry that breaks', engineError('received unexpected HTTP status: 503 Service Unavailable'), 'pull', 'ImagePullFailed', 15],
    ['a pull that says nothing known', engineError('something new'), 'pull', 'ImagePullFailed', 15],
    [
      'a user that is not there',
      engineError('unable to find user bob: no matching entries in passwd file', 500),
      'start',
      'ImageUnavailable',
      undefined,
    ],
    ['a runtime that refuses', engineError('runc: runc create failed: OCI runtime error', 500), 'start', 'ContainerFailed', undefined],
    ['a rejected setting', engineError('bad parameter', 400), 'create', 'ContainerFailed', undefined],
    ['a machine without memory', engineError('OCI runtime error: cannot allocate memory', 500), 'start', 'RuntimeUnavailable', 15],
    ['an engine that fails', engineError('internal', 500), 'other', 'RuntimeUnavailable', 5],
  ])('%s', (_what, err, step, type, retryAfterSeconds) => {
    const failure = dockerFailure(err, step);
    expect(failure).toMatchObject({ name: 'JobFailure', type, retryAfterSeconds });
    expect(failure.cause).toBe(err);
    expect(failure.message).not.toContain(err.message);
  });

  test('leaves what it does not know to the retries of the activity', () => {
    const err = engineError('teapot', 418);
    expect(dockerFailure(err, 'other')).toBe(err);
    expect(isJobFailure(dockerFailure('a text', 'other'))).toBe(false);
  });

  test('does not judge a failure twice', () => {
    const failure = new JobFailure('PodConflict', 'x');
    expect(dockerFailure(failure, 'pull')).toBe(failure);
  });

  test('knows conflicts of names in the words of both engines', () => {
    expect(isNameConflict(engineError('x', 409))).toBe(true);
    expect(isNameConflict(engineError('creating container storage: the container name "x" is already in use by y', 500))).toBe(true);
    expect(isNameConflict(engineError('x', 500))).toBe(false);
    expect(hasStatus(engineError('x', 404), 304, 404)).toBe(true);
    expect(hasStatus(undefined, 404)).toBe(false);
  });
});
