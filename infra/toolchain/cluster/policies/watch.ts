/** Copies of objects of the cluster that follow every change. */

import { makeInformer, type KubeConfig, type KubernetesListObject, type KubernetesObject } from '@kubernetes/client-node';

const restartDelayMs = 200;

/** A copy of all objects of one kind. */
export interface LiveList<Item extends KubernetesObject> {
  list(): readonly Item[];
  close(): Promise<void>;
}

/** What is followed. */
export interface WatchedKind<Item extends KubernetesObject> {
  readonly config: KubeConfig;
  /** path of the collection in the API */
  readonly path: string;
  readonly list: () => Promise<KubernetesListObject<Item>>;
}

/**
 * Follows a kind until it is closed, also across restarts of the API server.
 * @param onChange is called after every change; it must not throw
 */
export const watchKind = async <Item extends KubernetesObject>(
  { config, path, list }: WatchedKind<Item>,
  onChange: () => void,
): Promise<LiveList<Item>> => {
  const informer = makeInformer(config, path, list);
  let isClosed = false;
  let timer: NodeJS.Timeout | undefined;
  const restart = (): void => {
    if (isClosed) return;
    clearTimeout(timer);
    timer = setTimeout(() => void informer.start().catch(restart), restartDelayMs);
  };
  for (const verb of ['add', 'update', 'delete'] as const) informer.on(verb as 'add', onChange);
  informer.on('error', restart);
  await informer.start();
  return {
    list: () => informer.list(),
    close: async () => {
      isClosed = true;
      clearTimeout(timer);
      await informer.stop();
    },
  };
};
