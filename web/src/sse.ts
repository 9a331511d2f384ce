// SPDX-License-Identifier: Apache-2.0
//
// A parser of server-sent events (WHATWG HTML, section 9.2.6). EventSource only hands out events
// whose names are known in advance; the console wants every kind, also those a newer server has.

export interface Message {
    event: string;
    data: string;
    id: string;
}

export class SseParser {
    private rest = '';
    private event = '';
    private data: string[] = [];
    private id = '';

    /** Feeds a piece of the stream; returns the messages it completes. */
    push(piece: string): Message[] {
        const out: Message[] = [];
        this.rest += piece;
        for (;;) {
            const at = this.rest.search(/\r\n|\n|\r/);
            if (at < 0) return out;
            // A lone CR at the very end may be the first half of CRLF.
            if (this.rest[at] === '\r' && at === this.rest.length - 1) return out;
            const line = this.rest.slice(0, at);
            const width = this.rest[at] === '\r' && this.rest[at + 1] === '\n' ? 2 : 1;
            this.rest = this.rest.slice(at + width);
            this.line(line, out);
        }
    }

    private line(line: string, out: Message[]): void {
        if (line === '') {
            if (this.data.length)
                out.push({ event: this.event || 'message', data: this.data.join('\n'), id: this.id });
            this.event = '';
            this.data = [];
            return;
        }
        const colon = line.indexOf(':');
        if (colon === 0) return;
        const field = colon < 0 ? line : line.slice(0, colon);
        const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
        if (field === 'event') this.event = value;
        else if (field === 'data') this.data.push(value);
        else if (field === 'id' && !value.includes('\0')) this.id = value;
    }
}
