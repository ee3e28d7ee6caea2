/**
 * The questions of the network plugin: before a pod's containers start it asks whether the pod's rules are in place.
 * Question and answer are files in a folder, which a plugin in plain shell can write and read.
 */

import { watch } from 'node:fs';
import { chmod, mkdir, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { messageOf } from '../../parts.ts';

/** A pod whose network has been laid. */
export interface Arrival {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly address: string;
}

/** Answers until it is closed. */
export interface QuestionDesk {
  close(): void;
}

/** The plugin. Whatever goes wrong, it fails: the pod then has no network and is tried again. */
export const pluginScript = `#!/bin/sh
folder=@FOLDER@
case "$CNI_COMMAND" in
  VERSION) echo '{"cniVersion":"0.4.0","supportedVersions":["0.3.1","0.4.0"]}'; exit 0 ;;
  ADD) ;;
  *) cat > /dev/null; exit 0 ;;
esac
question="$folder/$CNI_CONTAINERID"
{ echo "$CNI_ARGS"; cat; } > "$question.new"
mv "$question.new" "$question.ask"
tries=0
while [ ! -f "$question.answer" ]; do
  tries=$((tries + 1))
  if [ $tries -gt 500 ]; then
    rm -f "$question.ask"
    echo '{"cniVersion":"0.4.0","code":11,"msg":"the network policies are not enforced: nobody answers"}'
    exit 1
  fi
  sleep 0.02
done
answer=$(cat "$question.answer")
rm -f "$question.answer"
printf '%s\\n' "$answer"
case "$answer" in *'"code"'*) exit 1 ;; esac
`;

/** Puts the plugin into the folder for plugins. */
export const installPlugin = async (pluginFolder: string, questionFolder: string): Promise<void> => {
  const file = path.join(pluginFolder, 'c2d-policy');
  await writeFile(file, pluginScript.replace('@FOLDER@', questionFolder));
  await chmod(file, 0o755);
};

/** Answers every question in the folder. @param admit resolves once the pod's rules are in place, rejects to refuse it */
export const openQuestionDesk = async (folder: string, admit: (arrival: Arrival) => Promise<void>): Promise<QuestionDesk> => {
  await mkdir(folder, { recursive: true });
  const busy = new Set<string>();
  const look = async (): Promise<void> => {
    const names = (await readdir(folder).catch(() => [])).filter((name) => name.endsWith('.ask') && !busy.has(name));
    await Promise.all(
      names.map(async (name) => {
        busy.add(name);
        await answer(path.join(folder, name), admit).finally(() => busy.delete(name));
      }),
    );
  };
  const watcher = watch(folder, () => void look());
  await look();
  return { close: () => watcher.close() };
};

const answer = async (file: string, admit: (arrival: Arrival) => Promise<void>): Promise<void> => {
  const text = await readFile(file, 'utf8').catch(() => undefined);
  // the plugin has given up meanwhile
  if (text === undefined) return;
  const reply = await judge(text, admit).catch((err: unknown) => ({ cniVersion: '0.4.0', code: 11, msg: messageOf(err) }));
  const target = file.replace(/\.ask$/, '.answer');
  await writeFile(`${target}.new`, JSON.stringify(reply));
  await rm(file, { force: true });
  await rename(`${target}.new`, target);
};

interface PluginRequest {
  readonly prevResult: { readonly ips: readonly { readonly address: string }[] };
}

/** @returns what the plugins before it have said, as the standard asks of a plugin that changes nothing */
const judge = async (text: string, admit: (arrival: Arrival) => Promise<void>): Promise<unknown> => {
  const end = text.indexOf('\n');
  const facts = new Map(
    text
      .slice(0, end)
      .split(';')
      .map((pair) => pair.split('=') as [string, string]),
  );
  const { prevResult } = JSON.parse(text.slice(end + 1)) as PluginRequest;
  const address = prevResult.ips[0]?.address.split('/')[0];
  const [namespace, name, uid] = ['K8S_POD_NAMESPACE', 'K8S_POD_NAME', 'K8S_POD_UID'].map((key) => facts.get(key));
  if (address === undefined || namespace === undefined || name === undefined || uid === undefined)
    throw new Error('the question names no pod');
  await admit({ namespace, name, uid, address });
  return prevResult;
};
