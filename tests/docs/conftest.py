from tests.docs.blocks import counted


def pytest_terminal_summary(terminalreporter):
    terminalreporter.write_line(counted())
