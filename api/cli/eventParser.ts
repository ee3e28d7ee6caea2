/** Reads server-sent events from a stream. */

/** One event; `data` is its text. */
export interface ServerEvent {
  readonly id: string;
  readonly kind: string;
  readonly data: string;
}

const parseBlock = (block: string): ServerEvent | null => {
  const fields: Record<string, string> = {};
  for (const line of block.split('\n')) {
    const at = line.indexOf(':');
    if (at <= 0) continue;
    const name = line.slice(0, at);
    const value = line.slice(at + 1).replace(/^ /, '');
    fields[name] = fields[name] !== undefined && name === 'data' ? `${fields[name]}\n${value}` : value;
  }
  return fields['data'] === undefined ? null : { id: fields['id'] ?? '', kind: fields['event'] ?? 'message', data: fields['data'] };
};

/** Events in order; comments and what a cut connection leaves unfinished are dropped. @see HTML, "server-sent events" */
export const parseEvents = async function* (bytes: AsyncIterable<Uint8Array>): AsyncGenerator<ServerEvent> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const piece of bytes) {
    rest += decoder.decode(piece, { stream: true }).replaceAll('\r', '');
    for (let end = rest.indexOf('\n\n'); end >= 0; end = rest.indexOf('\n\n')) {
      const event = parseBlock(rest.slice(0, end));
      rest = rest.slice(end + 2);
      if (event !== null) yield event;
    }
  }
};
