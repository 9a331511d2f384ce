// SPDX-License-Identifier: Apache-2.0
// Runs before the first paint, so that a chosen theme and language never flash the other one.
(function () {
    var root = document.documentElement;
    try {
        var theme = localStorage.getItem('tenon.theme');
        var lang = localStorage.getItem('tenon.lang') || navigator.language || 'en';
        if (theme === 'light' || theme === 'dark') root.dataset.theme = theme;
        root.lang = /^zh\b/i.test(lang) ? 'zh-CN' : 'en';
    } catch (e) {
        /* storage is switched off: the system's choices hold */
    }
})();
