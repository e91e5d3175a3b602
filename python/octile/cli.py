"""cli"""

import click


@click.group()
def main():
    """octile"""
