import { clusterFailure, hasClusterStatus, momentaryDelay } from '../../../infra/pods/clusterFailure.ts';
import { JobFailure, type FailureType } from '../../../workflows/contract/failures.ts';

/** An answer as the cluster's client throws it: its message repeats the body. */
const answered = (code: number, message = '', reason = '', headers: Record<string, string> = {}): Error => {
  const body = { kind: 'Status', message, reason, code };
  return Object.assign(new Error(`HTTP-Code: ${code}\nBody: ${JSON.stringify(body)}`), { code, body, headers });
};
const socketError = (code: string): Error =>
  Object.assign(new TypeError('fetch failed'), { cause: Object.assign(new Error(code), { code }) });

describe('clusterFailure', () => {
  test.each<[string, unknown, FailureType, number | undefined]>([
    ['no connection', socketError('ECONNREFUSED'), 'RuntimeUnavailable', 2],
    ['a broken connection', socketError('ECONNRESET'), 'RuntimeUnavailable', 2],
    ['no answer in time', new DOMException('The operation was aborted due to timeout', 'TimeoutError'), 'RuntimeUnavailable', 2],
    ['an aborted request', new DOMException('This operation was aborted', 'AbortError'), 'RuntimeUnavailable', 2],
    ['too many requests', answered(429, 'too many', 'TooManyRequests'), 'RuntimeUnavailable', 5],
    ['too many requests, with a time', answered(429, '', '', { 'retry-after': '17' }), 'RuntimeUnavailable', 17],
    [
      'a used-up quota',
      answered(403, 'pods "c2d-x" is forbidden: exceeded quota: small, requested: pods=1, used: pods=4, limited: pods=4', 'Forbidden'),
      'QuotaExceeded',
      30,
    ],
    ['a quota that is new', answered(403, 'pods "c2d-x" is forbidden: status unknown for quota: small', 'Forbidden'), 'QuotaExceeded', 2],
    [
      'Pod Security',
      answered(403, 'pods "c2d-x" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot != true', 'Forbidden'),
      'ClusterMisconfigured',
      undefined,
    ],
    ['a webhook', answered(403, 'admission webhook "a.b" denied the request: no', 'Forbidden'), 'ClusterMisconfigured', undefined],
    ['missing rights', answered(403, 'User "x" cannot create resource "pods"', 'Forbidden'), 'ClusterMisconfigured', 5],
    ['an outdated token', answered(401, 'Unauthorized'), 'ClusterMisconfigured', 5],
    [
      'a namespace that goes',
      answered(403, 'unable to create new content in namespace jobs because it is being terminated', 'Forbidden'),
      'ClusterMisconfigured',
      undefined,
    ],
    ['a namespace that is not there', answered(404, 'namespaces "jobs" not found', 'NotFound'), 'ClusterMisconfigured', undefined],
    ['a bad request', answered(400, 'invalid', 'BadRequest'), 'ClusterMisconfigured', undefined],
    ['an invalid pod', answered(422, 'Pod "x" is invalid: spec.nodeSelector', 'Invalid'), 'ClusterMisconfigured', undefined],
    ['too large for the server', answered(413, 'Request entity too large: limit is 3145728'), 'RequestInvalid', undefined],
    ['too large for etcd', answered(500, 'etcdserver: request is too large'), 'RequestInvalid', undefined],
    ['a conflict', answered(409, 'the object has been modified', 'Conflict'), 'RuntimeUnavailable', 1],
    ['a new leader', answered(500, 'etcdserver: leader changed'), 'RuntimeUnavailable', 1],
    ['a failing server', answered(500, 'etcdserver: request timed out'), 'RuntimeUnavailable', 5],
    ['a server that starts', answered(503, 'apiserver not ready', 'ServiceUnavailable'), 'RuntimeUnavailable', 5],
    ['a proxy without words', Object.assign(new Error('x'), { code: 502, body: '<html>' }), 'RuntimeUnavailable', 5],
    ['a watch that is refused', Object.assign(new Error('Forbidden'), { statusCode: 403 }), 'ClusterMisconfigured', 5],
  ])('%s', (_what, err, type, retryAfterSeconds) => {
    expect(clusterFailure(err)).toMatchObject({ name: 'JobFailure', type, retryAfterSeconds });
  });

  test('repeats nothing of an answer: it may hold what was sent, and that holds a token', () => {
    for (const code of [400, 401, 403, 404, 409, 413, 418, 422, 429, 500, 503]) {
      const failure = clusterFailure(answered(code, 'Invalid value: "the-token"'));
      expect(`${failure.message} ${failure.stack} ${JSON.stringify(failure)} ${String(failure.cause)}`).not.toContain('the-token');
    }
  });

  test('a failure that somebody has classified passes', () => {
    const failure = new JobFailure('PodConflict', 'x');
    expect(clusterFailure(failure)).toBe(failure);
  });

  test('a mistake of our own is no failure of the cluster', () => {
    expect(clusterFailure(new RangeError('x'))).not.toBeInstanceOf(JobFailure);
  });
});

describe('momentaryDelay', () => {
  test.each<[string, unknown, number | undefined]>([
    ['429 names its time', answered(429, '', '', { 'retry-after': '1' }), 1],
    ['a time that is too long for a call', answered(429, '', '', { 'retry-after': '300' }), 10],
    ['500', answered(500, 'etcdserver: leader changed'), 0],
    ['no connection', socketError('ECONNREFUSED'), 0],
    ['a refusal', answered(403, 'no'), undefined],
    ['an invalid pod', answered(422, 'no'), undefined],
    ['a mistake of our own', new RangeError('x'), undefined],
  ])('%s', (_what, err, seconds) => {
    expect(momentaryDelay(err)).toBe(seconds);
  });

  test('an aborted request has no status, whatever number its exception carries', () => {
    expect(hasClusterStatus(new DOMException('', 'TimeoutError'), 23)).toBe(false);
  });
});
