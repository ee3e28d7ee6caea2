import type { V1ContainerState, V1ContainerStatus, V1Pod, V1PodCondition, V1PodStatus } from '@kubernetes/client-node';
import { kubernetesOutcome } from '../../../infra/pods/kubernetesOutcome.ts';
import type { PodOutcome } from '../../../workflows/contract/pod.ts';

const now = Date.parse('2026-01-01T00:10:00Z');
const secondsAgo = (seconds: number): Date => new Date(now - seconds * 1_000);
const running: V1ContainerState = { running: { startedAt: secondsAgo(30) } };
const waiting = (reason: string, message = ''): V1ContainerState => ({ waiting: { reason, message } });
const ended = (exitCode: number, reason = exitCode === 0 ? 'Completed' : 'Error'): V1ContainerState => ({
  terminated: { exitCode, reason, startedAt: secondsAgo(20), finishedAt: secondsAgo(10) },
});
const container = (name: string, state: V1ContainerState): V1ContainerStatus => ({
  ...{ name, state, image: 'i', imageID: '', ready: false, restartCount: 0 },
});
const both = (agent: V1ContainerState, algorithm: V1ContainerState): V1PodStatus => ({
  phase: 'Running',
  containerStatuses: [container('agent', agent), container('algorithm', algorithm)],
});
const condition = (type: string, status: string, reason: string, message = ''): V1PodCondition => ({ type, status, reason, message });
const aPod = (status: V1PodStatus, { ageSeconds = 40, image = 'registry.example/a:1', deleted = false } = {}): V1Pod => ({
  metadata: {
    name: 'c2d-x-1',
    creationTimestamp: secondsAgo(ageSeconds),
    annotations: { 'c2d.create-seconds': '120' },
    ...(deleted && { deletionTimestamp: new Date(now) }),
  },
  spec: {
    containers: [
      { name: 'agent', image: 'agent:1' },
      { name: 'algorithm', image },
    ],
  },
  status,
});

const alive: PodOutcome = { kind: 'alive' };
const lost = (reason: string): unknown => ({ kind: 'lost', reason: expect.stringContaining(reason) });
const doubtful = { kind: 'alive', doubt: 'its node does not answer any more' };
const failed = (type: string, message = ''): unknown => ({ kind: 'failed', type, message: expect.stringContaining(message) });
const over = (exitCode: number, oomKilled = false): PodOutcome => ({
  ...{ kind: 'ended', exitCode, oomKilled },
  ...{ startedAtMs: now - 20_000, finishedAtMs: now - 10_000 },
});
const late = { ageSeconds: 121 };
const disrupted = (reason: string, message = ''): V1PodCondition => condition('DisruptionTarget', 'True', reason, message);
const pulling = (reason: string, message: string): V1PodStatus => ({ ...both(running, waiting(reason, message)), phase: 'Pending' });
const unscheduled = (message: string): V1PodStatus => ({
  phase: 'Pending',
  conditions: [condition('PodScheduled', 'False', 'Unschedulable', message)],
});
const evicted = (message: string, ends: V1PodStatus = both(ended(137), ended(0))): V1PodStatus => ({
  ...ends,
  phase: 'Failed',
  reason: 'Evicted',
  message,
});
const notFound =
  'rpc error: code = NotFound desc = failed to pull and unpack image "registry.example/a:1": failed to resolve reference "registry.example/a:1": registry.example/a:1: not found';

const withFilter = (
  filter: V1ContainerState,
  { algorithm = running, filterImage = 'registry.example/f:1', ageSeconds = 40 } = {},
): V1Pod => {
  const pod = aPod(both(running, algorithm), { ageSeconds });
  pod.metadata!.annotations!['c2d.filters'] = '["environment small"]';
  pod.status!.containerStatuses!.push({ ...container('filter-0', filter), image: filterImage });
  return pod;
};

describe('kubernetesOutcome', () => {
  test.each<[string, V1Pod | undefined, unknown]>([
    ['no pod', undefined, lost('the pod is gone')],
    ['a pod that nobody has looked at yet', aPod({}), alive],
    ['a pod without a status', { metadata: {}, spec: { containers: [] } }, alive],
    ['both run', aPod(both(running, running)), alive],
    ['both are being made', aPod(both(waiting('ContainerCreating'), waiting('ContainerCreating'))), alive],
    ['the algorithm is being made', aPod(both(running, waiting('ContainerCreating'))), alive],
    ['a word that nobody knows', aPod(both(running, waiting('Dreaming'))), alive],

    ['a filter that has run and refused is for the agent to judge', withFilter(ended(3)), alive],
    ['a filter that is being made', withFilter(waiting('ContainerCreating')), alive],
    [
      'a filter whose image is nowhere',
      withFilter(waiting('ErrImagePull', notFound)),
      failed('FilterFailed', 'the image of the filter of environment small does not exist'),
    ],
    [
      'a filter whose local image is not there',
      withFilter(waiting('ErrImagePull', ''), { filterImage: 'localhost/f:1' }),
      failed('FilterFailed', 'is not on this node'),
    ],
    [
      'a filter whose registry is away',
      withFilter(waiting('ImagePullBackOff', 'dial tcp: i/o timeout')),
      { kind: 'alive', waiting: 'the image registry does not answer properly; it is tried again', agentRuns: true },
    ],
    [
      'a filter whose registry stays away',
      withFilter(waiting('ImagePullBackOff', 'dial tcp: i/o timeout'), late),
      failed('FilterFailed', 'for as long as'),
    ],
    [
      'a filter that the cluster cannot make',
      withFilter(waiting('CreateContainerConfigError')),
      failed('ClusterMisconfigured', 'the filter of environment small'),
    ],
    ['a filter that the cluster cannot start', withFilter(ended(128, 'StartError')), failed('FilterFailed', 'could not start')],
    ['a filter that does not come', withFilter(waiting('ContainerCreating'), late), failed('FilterFailed', 'within 120 s')],
    [
      'an algorithm that has ended, whatever its filter does',
      withFilter(waiting('ErrImagePull', notFound), { algorithm: ended(0) }),
      over(0),
    ],

    // evictions come before exit codes
    [
      'a node low on disk, whatever the exit codes',
      aPod(evicted('The node was low on resource: ephemeral-storage. Threshold quantity: 1Gi, available: 900Mi.')),
      lost('ran low on ephemeral-storage'),
    ],
    [
      'a node low on memory, though the algorithm looks out of memory',
      aPod(evicted('The node was low on resource: memory. ', both(ended(137), ended(137, 'OOMKilled')))),
      lost('ran low on memory'),
    ],
    [
      'a volume larger than granted',
      aPod(evicted('Usage of EmptyDir volume "outputs" exceeds the limit "100M". ')),
      failed('OutputsTooLarge', 'more disk than it was granted'),
    ],
    [
      'more disk than granted, all together',
      aPod(evicted('Pod ephemeral local storage usage exceeds the total limit of containers 167108864. ')),
      failed('OutputsTooLarge'),
    ],
    [
      'a container above its own limit',
      aPod(evicted('Container algorithm exceeded its local ephemeral storage limit "100M". ')),
      failed('OutputsTooLarge'),
    ],
    [
      'a disruption that has ended the pod',
      aPod({ ...both(ended(143), ended(0)), phase: 'Failed', conditions: [disrupted('PreemptionByScheduler')] }),
      lost('its node ended it'),
    ],
    ['a node that shuts down', aPod({ ...both(ended(143), ended(143)), phase: 'Failed', reason: 'Terminated' }), lost('its node ended it')],
    [
      'a node that has no room after all',
      aPod({ phase: 'Failed', reason: 'OutOfcpu', message: 'x' }),
      lost('its node refused it: OutOfcpu'),
    ],
    ['a refusal in strange words', aPod({ phase: 'Failed', reason: 'rm -rf / <b>' }), lost('for no known reason')],
    ['the last deadline', aPod({ ...both(ended(137), ended(137)), phase: 'Failed', reason: 'DeadlineExceeded' }), failed('PhaseTimedOut')],
    ['a lost node', aPod({ ...both(running, running), reason: 'NodeLost' }), doubtful],
    ['a node that is not ready', aPod({ ...both(running, running), conditions: [{ type: 'Ready', status: 'False' }] }), doubtful],
    [
      'a node that an older cluster calls so',
      aPod({ ...both(running, running), conditions: [condition('Ready', 'False', 'NodeNotReady')] }),
      doubtful,
    ],
    [
      'containers that are not ready, as a kubelet says it',
      aPod({ ...both(running, running), conditions: [condition('Ready', 'False', 'ContainersNotReady')] }),
      { kind: 'alive' },
    ],
    [
      'a deletion on a node that is not ready',
      aPod({ ...both(running, running), conditions: [{ type: 'Ready', status: 'False' }] }, { deleted: true }),
      { ...doubtful, ending: 'it is being deleted' },
    ],

    // being taken down: still able to publish
    ['a deletion under way', aPod(both(running, running), { deleted: true }), { kind: 'alive', ending: 'it is being deleted' }],
    [
      'a node that is emptied',
      aPod({ ...both(running, running), conditions: [disrupted('EvictionByEvictionAPI')] }, { deleted: true }),
      { kind: 'alive', ending: 'its node is being emptied' },
    ],
    [
      'a node that is given up',
      aPod({ ...both(running, running), conditions: [disrupted('DeletionByTaintManager')] }),
      { kind: 'alive', ending: 'its node is being given up' },
    ],
    ['a deletion that the agent has followed', aPod(both(ended(0), ended(143)), { deleted: true }), lost('the agent has ended')],
    [
      'a disruption that did not come',
      aPod({ ...both(running, running), conditions: [condition('DisruptionTarget', 'False', '')] }),
      alive,
    ],

    // the agent before the algorithm
    ['an agent that ended', aPod(both(ended(0), running)), lost('the agent has ended')],
    ['an agent that failed', aPod(both(ended(1), running)), lost('exit code 1')],
    ['an agent out of memory', aPod(both(ended(137, 'OOMKilled'), running)), lost('ran out of memory')],
    ['an agent that failed, and an algorithm that ended well', aPod(both(ended(1), ended(0))), lost('exit code 1')],
    ['an algorithm out of memory, and no agent', aPod(both(ended(137), ended(137, 'OOMKilled'))), failed('AlgorithmOutOfMemory')],
    ['an agent that could not be started', aPod(both(ended(128, 'StartError'), waiting('ContainerCreating'))), lost('exit code 128')],

    // the algorithm
    ['an algorithm that ended well', aPod(both(running, ended(0))), over(0)],
    ['an algorithm that failed', aPod(both(running, ended(3))), over(3)],
    ['an algorithm that killed itself', aPod(both(running, ended(137))), over(137)],
    ['an algorithm out of memory', aPod(both(running, ended(137, 'OOMKilled'))), over(137, true)],
    ['a process of the algorithm out of memory, and an algorithm that lived on', aPod(both(running, ended(0, 'OOMKilled'))), over(0)],
    ['a container that the runtime cannot start', aPod(both(running, ended(128, 'StartError'))), failed('ContainerFailed')],
    ['another word for it', aPod(both(running, ended(127, 'ContainerCannotRun'))), failed('ContainerFailed')],

    // images
    ['an image that is nowhere', aPod(pulling('ErrImagePull', notFound)), failed('ImageUnavailable', 'does not exist')],
    [
      'the same, seen later',
      aPod(pulling('ImagePullBackOff', `Back-off pulling image "x": ErrImagePull: ${notFound}`)),
      failed('ImageUnavailable'),
    ],
    [
      'a private image',
      aPod(
        pulling(
          'ErrImagePull',
          'pull access denied, repository does not exist or may require authorization: server message: insufficient_scope',
        ),
      ),
      failed('ImageUnavailable', 'not public'),
    ],
    [
      'an image for other processors',
      aPod(pulling('ErrImagePull', 'no match for platform in manifest: not found')),
      failed('ImageUnavailable'),
    ],
    [
      'an image whose name is none',
      aPod(pulling('InvalidImageName', 'couldn\'t parse image name "A"')),
      failed('ImageUnavailable', 'name'),
    ],
    ['an image that is never pulled', aPod(pulling('ErrImageNeverPull', '')), failed('ImageUnavailable')],
    ['a local image', aPod(pulling('ErrImagePull', 'connection refused'), { image: 'localhost/a:1' }), failed('ImageUnavailable', 'local')],
    [
      'a registry that limits its callers',
      aPod(pulling('ErrImagePull', 'unexpected status from HEAD request to https://r/v2/a/manifests/1: 429 Too Many Requests')),
      { kind: 'alive', waiting: 'the image registry limits its callers; it is tried again', agentRuns: true },
    ],
    [
      'a registry that fails',
      aPod(pulling('ImagePullBackOff', 'unexpected status from GET request: 503 Service Unavailable')),
      { kind: 'alive', waiting: 'the image registry does not answer properly; it is tried again', agentRuns: true },
    ],
    [
      'a registry that is not there',
      aPod(pulling('ErrImagePull', 'dial tcp: lookup registry.example: no such host')),
      { kind: 'alive', waiting: 'the image registry does not answer properly; it is tried again', agentRuns: true },
    ],
    [
      'a back-off without words',
      aPod(pulling('ImagePullBackOff', '')),
      { kind: 'alive', waiting: expect.stringContaining('pulled'), agentRuns: true },
    ],
    [
      'a registry that fails for too long',
      aPod(pulling('ErrImagePull', '503 Service Unavailable'), late),
      failed('ImagePullFailed', 'as long as'),
    ],
    [
      "the agent's image cannot be pulled yet",
      aPod(both(waiting('ErrImagePull', notFound), waiting('ContainerCreating'))),
      { kind: 'alive', waiting: expect.stringContaining("agent's image") },
    ],
    [
      "the agent's image cannot be pulled at all: the operator's fault",
      aPod(both(waiting('ImagePullBackOff', notFound), waiting('ContainerCreating')), late),
      failed('ClusterMisconfigured', 'agent'),
    ],

    // containers that cannot be made are never the consumer's fault
    [
      'a missing secret',
      aPod(both(running, waiting('CreateContainerConfigError', 'secret "x" not found'))),
      failed('ClusterMisconfigured'),
    ],
    ['a container that cannot be made', aPod(both(running, waiting('CreateContainerError', 'x'))), failed('ContainerFailed')],
    [
      "an agent's container that cannot be made",
      aPod(both(waiting('CreateContainerConfigError'), waiting('ContainerCreating'))),
      failed('ClusterMisconfigured', 'agent'),
    ],
    ['a hook that failed', aPod(both(waiting('PostStartHookError'), waiting('ContainerCreating'))), failed('ContainerFailed', 'agent')],
    [
      'containers that do not come',
      aPod(both(waiting('ContainerCreating'), waiting('ContainerCreating')), late),
      failed('ContainerFailed', '120 s'),
    ],

    // nodes
    [
      'no node has room',
      aPod(
        unscheduled(
          '0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod.',
        ),
      ),
      { kind: 'alive', waiting: 'waiting for a node: Insufficient cpu' },
    ],
    [
      'several reasons, without the numbers that change all the time',
      aPod(
        unscheduled(
          "0/4 nodes are available: 1 node(s) had untolerated taint {node-role.kubernetes.io/control-plane: }, 2 Insufficient nvidia.com/gpu, 1 node(s) didn't match Pod's node affinity/selector. preemption: x",
        ),
      ),
      {
        kind: 'alive',
        waiting: "waiting for a node: had untolerated taint, Insufficient nvidia.com/gpu, didn't match Pod's node affinity/selector",
      },
    ],
    [
      'a scheduler of few words',
      aPod(unscheduled('no nodes available to schedule pods')),
      { kind: 'alive', waiting: 'waiting for a node: no nodes available to schedule pods' },
    ],
    ['no words at all', aPod(unscheduled('')), { kind: 'alive', waiting: 'waiting for a node: none fits' }],
    [
      'a node that has not come',
      aPod(unscheduled('0/1 nodes are available: 1 Insufficient memory.'), late),
      failed('NoCapacity', 'Insufficient memory'),
    ],
    [
      'a volume that has not come',
      aPod(unscheduled('0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims. not found'), late),
      failed('VolumeFailed', 'PersistentVolumeClaims'),
    ],
    ['a pod without a node that is deleted', aPod(unscheduled('x'), { deleted: true }), { kind: 'alive', ending: 'it is being deleted' }],
  ])('%s', (_what, pod, outcome) => {
    expect(kubernetesOutcome(pod, now)).toEqual(outcome);
  });

  test('times may be texts, as a watch has them', () => {
    const pod: unknown = JSON.parse(JSON.stringify(aPod(both(running, ended(3)))));
    expect(kubernetesOutcome(pod as V1Pod, now)).toEqual(over(3));
  });
});
