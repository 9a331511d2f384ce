// SPDX-License-Identifier: Apache-2.0
import { render } from 'preact';
import './style/base.css';
import './style/parts.css';
import './style/pages.css';
import { App } from './app';
import { startRouter } from './router';

startRouter();
render(<App />, document.getElementById('app')!);
