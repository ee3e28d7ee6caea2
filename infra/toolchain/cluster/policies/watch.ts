/** Copies of objects of the cluster that follow every change. */

import { Watch, type KubeConfig, type KubernetesListObject, type KubernetesObject } from '@kubernetes/client-node';

const retryDelayMs = 200;

/** A copy of all objects of one kind. */
export interface LiveList<Item extends KubernetesObject> {
  list(): readonly Item[];
  close(): void;
}

/** What is followed. */
export interface WatchedKind<Item extends KubernetesObject> {
  readonly config: KubeConfig;
  /** path of the collection in the API */
  readonly path: string;
  readonly list: () => Promise<KubernetesListObject<Item>>;
}

/**
 * Follows a kind until it is closed. Not an informer of the client library, as that waits for up to 30 seconds after
 * a restart of the API server, and pods wait for us.
 * @param onChange is called after every change; it must not throw
 */
export const watchKind = async <Item extends KubernetesObject>(
  { config, path, list }: WatchedKind<Item>,
  onChange: () => void,
): Promise<LiveList<Item>> => {
  const watch = new Watch(config);
  let items = new Map<string, Item>();
  let isClosed = false;
  let controller: AbortController | undefined;
  const take = (phase: string, item: Item): void => {
    const uid = item.metadata?.uid ?? '';
    if (phase === 'DELETED') items.delete(uid);
    else if (phase === 'ADDED' || phase === 'MODIFIED') items.set(uid, item);
    else return;
    onChange();
  };
  const follow = async (): Promise<void> => {
    const all = await list();
    items = new Map(all.items.map((item) => [item.metadata?.uid ?? '', item]));
    onChange();
    controller = await watch.watch(path, { resourceVersion: all.metadata?.resourceVersion }, take, again);
    if (isClosed) controller.abort();
  };
  // a list anew at each end of a watch: whatever ended it, nothing is missed
  const again = (): void => {
    if (!isClosed) setTimeout(() => void follow().catch(again), retryDelayMs).unref();
  };
  await follow();
  return {
    list: () => [...items.values()],
    close: () => {
      isClosed = true;
      controller?.abort();
    },
  };
};
