// SPDX-License-Identifier: Apache-2.0
//
// A DAG as SVG that fits its frame; drag moves it, the buttons or ctrl + wheel zoom. Boxes are links
// or buttons, so a keyboard reaches each in order.
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';
import { layout, type Direction, type Link } from '../graph';
import { t } from '../i18n';
import { I, StatusMark, type IconName } from './icons';

export interface DagNode {
    id: string;
    title: string;
    sub: string;
    status?: string;
    icon?: IconName;
    href?: string;
    here?: boolean; // the object the page is about
}

interface View {
    x: number;
    y: number;
    scale: number;
}

const WIDTH = 176;
const HEIGHT = 48;
const SCALE_MIN = 0.35;
const SCALE_MAX = 2;

export function Dag(props: {
    nodes: DagNode[];
    links: Link[];
    label: string;
    selected?: string | null;
    maxHeight?: number;
}) {
    const frame = useRef<HTMLDivElement>(null);
    const width = useWidth(frame);
    const direction: Direction = width && width < 620 ? 'TB' : 'LR';
    const key = `${direction} ${props.nodes.map((n) => n.id).join(' ')} ${props.links.map((l) => `${l.from}>${l.to}`).join(' ')}`;
    const placed = useMemo(
        () => layout(props.nodes.map((n) => ({ id: n.id, width: WIDTH, height: HEIGHT })), props.links, direction),
        [key],
    );
    const height = frameHeight(placed.width, placed.height, width, props.maxHeight ?? 460, direction);
    const fit = fitted(placed.width, placed.height, width, height);
    const [moved, setMoved] = useState<View | null>(null);
    useEffect(() => setMoved(null), [key, width]);
    const view = moved ?? fit;
    const drag = useDrag(view, setMoved);
    useWheel(frame, view, setMoved);
    const byId = new Map(props.nodes.map((n) => [n.id, n]));
    const zoom = (factor: number) => setMoved(zoomed(view, factor, width / 2, height / 2));

    return (
        <div class="dag" ref={frame}>
            <svg width="100%" height={height} role="group" aria-label={props.label} {...drag}>
                <g transform={`translate(${view.x},${view.y}) scale(${view.scale})`}>
                    {placed.lines.map((l) => (
                        <path key={`${l.from} ${l.to}`} d={l.path} class={lineClass(byId.get(l.from), byId.get(l.to))} />
                    ))}
                    {placed.boxes.map((b) => (
                        <Node key={b.id} node={byId.get(b.id)!} x={b.x} y={b.y} selected={props.selected === b.id} />
                    ))}
                </g>
            </svg>
            <div class="dag-tools">
                <button type="button" onClick={() => zoom(1.25)} aria-label={t('run.zoom.in')} title={t('run.zoom.in')}><I name="plus" size={14} /></button>
                <button type="button" onClick={() => zoom(0.8)} aria-label={t('run.zoom.out')} title={t('run.zoom.out')}><I name="minus" size={14} /></button>
                <button type="button" onClick={() => setMoved(null)} aria-label={t('run.zoom.fit')} title={t('run.zoom.fit')}><I name="fit" size={14} /></button>
            </div>
        </div>
    );
}

function Node({ node, x, y, selected }: { node: DagNode; x: number; y: number; selected: boolean }) {
    const cls = ['node', node.status && `node-${node.status}`, selected && 'selected', node.here && 'here'];
    const body = (
        <g transform={`translate(${x},${y})`} class={cls.filter(Boolean).join(' ')}>
            <title>{`${node.title} — ${node.sub}`}</title>
            <rect width={WIDTH} height={HEIGHT} rx="7" />
            <g transform={`translate(13,${HEIGHT / 2 - 8})`}>
                {node.status ? <StatusMark status={node.status} size={16} /> : <I name={node.icon ?? 'step'} />}
            </g>
            <text x="39" y="20" class="node-title">{clip(node.title, 19)}</text>
            <text x="39" y="36" class="node-sub">{clip(node.sub, 25)}</text>
        </g>
    );
    if (!node.href) return body;
    return (
        <a href={node.href} aria-current={selected ? 'true' : undefined} aria-label={`${node.title}, ${node.sub}`}>
            {body}
        </a>
    );
}

/** Cuts by width: a CJK character takes about two of the others. */
function clip(s: string, most: number): string {
    let used = 0;
    for (let i = 0; i < s.length; i++) {
        used += s.charCodeAt(i) > 0x2e7f ? 1.8 : 1;
        if (used > most) return `${s.slice(0, i)}…`;
    }
    return s;
}

function lineClass(from: DagNode | undefined, to: DagNode | undefined): string {
    if (to?.status === 'running') return 'line line-running';
    if (from?.status === 'succeeded') return 'line line-done';
    return 'line';
}

function fitted(w: number, h: number, width: number, height: number): View {
    const scale = Math.max(SCALE_MIN, Math.min(1, width / w || 1, height / h || 1));
    return { scale, x: Math.max(0, (width - w * scale) / 2), y: Math.max(0, (height - h * scale) / 2) };
}

function frameHeight(w: number, h: number, width: number, most: number, direction: Direction): number {
    const scale = Math.max(direction === 'TB' ? 0.8 : SCALE_MIN, Math.min(1, width / w || 1));
    return Math.max(96, Math.min(direction === 'TB' ? 900 : most, Math.ceil(h * scale)));
}

function zoomed(view: View, factor: number, x: number, y: number): View {
    const scale = Math.min(SCALE_MAX, Math.max(SCALE_MIN, view.scale * factor));
    const k = scale / view.scale;
    return { scale, x: x - (x - view.x) * k, y: y - (y - view.y) * k };
}

function useWidth(ref: { current: HTMLElement | null }): number {
    const [width, setWidth] = useState(0);
    useLayoutEffect(() => {
        const el = ref.current!;
        setWidth(el.clientWidth);
        const watch = new ResizeObserver(() => setWidth(el.clientWidth));
        watch.observe(el);
        return () => watch.disconnect();
    }, []);
    return width;
}

function useDrag(view: View, set: (v: View) => void) {
    const from = useRef<{ x: number; y: number; view: View; far: boolean } | null>(null);
    const end = (e: PointerEvent) => {
        if (from.current?.far) (e.currentTarget as Element).releasePointerCapture(e.pointerId);
        setTimeout(() => (from.current = null));
    };
    return {
        onPointerDown: (e: PointerEvent) => {
            // A finger scrolls the page; moving the picture by touch would trap it.
            if (e.button || e.pointerType === 'touch') return;
            from.current = { x: e.clientX, y: e.clientY, view, far: false };
        },
        onPointerMove: (e: PointerEvent) => {
            const f = from.current;
            if (!f || !(e.buttons & 1)) return;
            const dx = e.clientX - f.x;
            const dy = e.clientY - f.y;
            if (!f.far && Math.hypot(dx, dy) < 4) return;
            if (!f.far) (e.currentTarget as Element).setPointerCapture(e.pointerId);
            f.far = true;
            set({ ...f.view, x: f.view.x + dx, y: f.view.y + dy });
        },
        onPointerUp: end,
        onPointerCancel: end,
        // The click at the end of a drag is not a choice.
        onClickCapture: (e: MouseEvent) => {
            if (!from.current?.far) return;
            e.preventDefault();
            e.stopPropagation();
        },
        onDragStart: (e: Event) => e.preventDefault(),
    };
}

function useWheel(ref: { current: HTMLElement | null }, view: View, set: (v: View) => void): void {
    const now = useRef(view);
    now.current = view;
    useEffect(() => {
        const el = ref.current!;
        const onWheel = (e: WheelEvent) => {
            if (!e.ctrlKey && !e.metaKey) return;
            e.preventDefault();
            const box = el.getBoundingClientRect();
            set(zoomed(now.current, Math.exp(-e.deltaY / 300), e.clientX - box.left, e.clientY - box.top));
        };
        el.addEventListener('wheel', onWheel, { passive: false });
        return () => el.removeEventListener('wheel', onWheel);
    }, []);
}
